#!/bin/sh
# All that an installation without a network needs, in one folder: sources, packages with their hashes, and on wish the images.
#   scripts/offline_bundle.sh FOLDER            for ./segloop on a machine of the same system and Python
#   scripts/offline_bundle.sh FOLDER --images   also every image of docker-compose.yml (needs Docker)
# There: tar xf segloop.tar && cd segloop && PIP_NO_INDEX=1 PIP_FIND_LINKS=../wheels ./segloop up
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
target=${1:?name a new folder}
[ ! -e "$target" ] || { echo "$target is there already; nothing is overwritten." >&2; exit 1; }
mkdir -p "$target/wheels"
target=$(CDPATH='' cd -- "$target" && pwd -P)
python=${SEGLOOP_PYTHON:-python3.11}

pinned() { sed -n "s/^$1=//p" "$root/segloop"; }
download() { "$python" -m pip download --quiet --disable-pip-version-check --dest "$target/wheels" "$@"; }

git -C "$root" archive --format=tar --prefix=segloop/ --output="$target/segloop.tar" HEAD
# wheel: the one package without a wheel (acvl-utils) asks for it when it is built.
download --no-deps "$(pinned PIP)" wheel
download --no-deps --require-hashes -r "$root/requirements.lock"
# With what its own wheel names, such as the CUDA libraries; SEGLOOP_BUNDLE_TORCH=none leaves it out.
[ "${SEGLOOP_BUNDLE_TORCH:-}" = none ] || download "$(pinned TORCH)"
if [ "${2:-}" = --images ]; then
    docker compose --project-directory "$root" --profile '*' build
    docker compose --project-directory "$root" --profile '*' pull --ignore-buildable
    docker compose --project-directory "$root" --profile '*' config --images | sort -u | xargs docker save -o "$target/images.tar"
fi
cd "$target"
find . -type f ! -name SHA256SUMS | sort | xargs sha256sum >SHA256SUMS
echo "$(wc -l <SHA256SUMS) files in $target; there: sha256sum --check --quiet SHA256SUMS"
