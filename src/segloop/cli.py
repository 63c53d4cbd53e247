"""The commands behind ./segloop; each does its work through segloop.stack and prints for a person."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from segloop import logs
from segloop.errors import SegloopError
from segloop.stack import accounts, checks, control, home, run, state
from segloop.stack.backup import commands as backup
from segloop.stack.erasure import commands as erasure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a known error is one line, not a traceback."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(options, "rest"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    root = Path(os.environ.get("SEGLOOP_HOME") or home.default_root()).expanduser().absolute()
    try:
        return int(options.run(root, options) or 0)
    except SegloopError as error:
        print(f"segloop: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./segloop",
        description="Interactive 3D CT segmentation. Research use only; not a medical device.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="start everything and segment a phantom, or the CT you name")
    demo.add_argument("ct", nargs="?", type=Path, help="a .nii or .nii.gz file in HU")
    demo.add_argument(
        "--hu-offset",
        type=float,
        help="what turns the file's values into HU (-1024 for most files of 0 to 4095; 0: they are HU); it is recorded",
    )
    demo.add_argument(
        "--real",
        action="store_true",
        help="the head CT of Debian's package invesalius-examples",
    )
    demo.set_defaults(run=_demo)

    up = commands.add_parser("up", help="start all services and wait until they are healthy")
    up.add_argument("--foreground", action="store_true", help="be the supervisor; ends with Ctrl-C")
    up.set_defaults(run=_up)
    commands.add_parser("down", help="stop all services; data stays").set_defaults(run=_down)
    commands.add_parser("status", help="show the services").set_defaults(run=_status)

    show = commands.add_parser("logs", help="show the end of the logs")
    show.add_argument("service", nargs="?")
    show.add_argument("-f", "--follow", action="store_true")
    show.set_defaults(run=lambda root, options: control.logs(root, options.service, follow=options.follow))

    test = commands.add_parser("test", help="run the tests on real servers; options go to pytest")
    test.set_defaults(run=lambda _, options: checks.test(options.rest), rest=[])
    commands.add_parser("check", help="format, lint, types, imports, unit tests").set_defaults(
        run=lambda *_: checks.check()
    )

    faults = commands.add_parser(
        "faults",
        help="kill, cut off, fill and empty things, and check that nothing is lost; options go to pytest",
    )
    faults.add_argument("--long", action="store_true", help="with the numbers of the goals; about 20 minutes")
    faults.add_argument("--seed", type=int, help="repeat a run")
    faults.add_argument(
        "--folder", type=Path, help="where the report goes; the data folder's faults/ if left out"
    )
    faults.set_defaults(run=_faults, rest=[])

    fuzz = commands.add_parser(
        "fuzz", help="inputs nobody wrote, for parsers and API: --inputs, --seed, --folder"
    )
    fuzz.set_defaults(run=lambda _, options: checks.fuzz(options.rest), rest=[])

    bench = commands.add_parser("bench", help="measure and record")
    bench.add_argument(
        "what", choices=["demo", "viewer", "inference", "dicom", "partial", "learning", "restore"]
    )
    bench.add_argument(
        "--short", action="store_true", help="something small, once: shows that it works, measures nothing"
    )
    bench.add_argument(
        "--data", type=Path, help="inference, partial, learning: an nnU-Net raw dataset folder"
    )
    bench.add_argument(
        "--minutes", type=float, help="partial, learning: pause after so many; the same command goes on"
    )
    bench.set_defaults(run=_bench)

    models = commands.add_parser(
        "models", help="import a trained nnU-Net v2 model; list, promote, reject, compare versions"
    ).add_subparsers(required=True)
    load = models.add_parser("import", help="a model folder, its export zip, or a bundle")
    load.add_argument("path", type=Path)
    load.add_argument("--project", default="default")
    load.add_argument("--name", help="shown name; the file's name when left out")
    load.add_argument("--promote", metavar="REASON", help="make it the production version at once")
    load.add_argument("--orientation", help="voxel order the model was trained on, such as RAS or LPS")
    load.set_defaults(run=_import_model)

    _add_learning(commands, models)
    backup.add(commands)
    erasure.add(commands)
    sbom = commands.add_parser("sbom", help="write the bill of materials (CycloneDX), licences checked")
    sbom.add_argument("file", type=Path)
    sbom.set_defaults(run=_sbom)

    audit = commands.add_parser("audit", help="the record of who did what").add_subparsers(required=True)
    check = audit.add_parser("verify", help="find a changed, added or missing event")
    check.add_argument("--head", help="what `audit head` gave earlier, kept elsewhere")
    check.set_defaults(run=_verify_audit)
    audit.add_parser("head", help="the newest seal, to be kept elsewhere").set_defaults(run=_audit_head)

    admin = commands.add_parser("admin", help="links, people, members, keys and tokens").add_subparsers(
        required=True
    )
    link = admin.add_parser("link", help="a fresh link to the UI, good for one sign-in")
    link.add_argument("--person", default="admin", help="who it signs in; 'admin' is made where missing")
    link.set_defaults(run=_link)
    accounts.add(admin, _say)
    admin.add_parser("token", help="where the API's token is kept").set_defaults(run=_token)
    return parser


def _add_learning(commands: Any, models: Any) -> None:
    """Add the commands of the learning loop; each calls a method of `stack.training.Loop`."""

    def add(where: Any, name: str, text: str, call: Callable[..., None]) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = where.add_parser(name, help=text)
        parser.add_argument("--project", default="default")
        parser.set_defaults(run=lambda root, options: call(_loop(root, options.project), options))
        return parser

    training = commands.add_parser("training", help="retrain from corrections").add_subparsers(required=True)
    add(training, "status", "how far the corrections are", lambda loop, _: loop.status())
    start = add(training, "start", "start a retraining", lambda loop, o: loop.start(o.kind))
    start.add_argument(
        "--full", dest="kind", action="store_const", const="full_retrain", default="quick_tune"
    )
    add(training, "watch", "follow the newest run to its end", lambda loop, _: loop.watch())
    add(training, "cancel", "stop the run", lambda loop, _: loop.cancel())
    add(models, "list", "the versions with their figures and verdicts", lambda loop, _: loop.list_versions())
    for name, text in (("promote", "put a version into production, or roll back"), ("reject", "take it out")):
        one = add(models, name, text, lambda loop, o, name=name: getattr(loop, name)(o.number, o.reason))
        one.add_argument("number", type=int)
        one.add_argument("--reason", required=True)
    compare = add(models, "compare", "compare with production", lambda loop, o: loop.compare(o.number))
    compare.add_argument("number", type=int)


def _loop(root: Path, project: str) -> Any:
    from segloop.stack import training

    return training.connect(state.environment(root), project, _say)


def _up(root: Path, options: argparse.Namespace) -> None:
    if options.foreground:
        logs.configure(os.environ.get("SEGLOOP_LOG_LEVEL", "INFO"))
        logging.getLogger("httpx").setLevel(logging.WARNING)
        run.run(root, os.environ)
        return
    seconds = control.up(root, _say)
    if seconds and not state.read(root).failing:
        _say(f"Everything is healthy after {seconds:.1f} s")
    _say(_addresses(root))


def _down(root: Path, _: argparse.Namespace) -> None:
    control.down(root, _say)


def _status(root: Path, _: argparse.Namespace) -> int:
    _say(control.status(root))
    return 0 if state.read(root).phase == "healthy" else 3


def _demo(root: Path, options: argparse.Namespace) -> None:
    from segloop.stack import demo, real_ct

    if not state.read(root).is_up:
        control.up(root, _say)
    ct = real_ct.fetch(root, _say) if options.real else options.ct
    demo.run(root, ct, _say, hu_offset=options.hu_offset)
    _say(_addresses(root))


def _faults(root: Path, options: argparse.Namespace) -> int:
    from segloop.stack import faults

    folder = options.folder or root / "faults"
    return faults.run(folder, _say, long=options.long, seed=options.seed, arguments=options.rest)


def _bench(root: Path, options: argparse.Namespace) -> None:
    from segloop.stack import bench

    if options.what == "viewer":
        bench.viewer(root, _say, short=options.short)
    elif options.what == "inference":
        bench.inference(root, options.data, _say, short=options.short)
    elif options.what == "restore":
        bench.restore(root, _say, short=options.short)
    elif options.what == "dicom":
        bench.dicom(root, _say, short=options.short)
    elif options.what == "partial":
        from segloop.stack.learning import partial

        partial.run(root, options.data, _say, short=options.short, minutes=options.minutes)
    elif options.what == "learning":
        from segloop.stack.learning import proof

        proof.run(root, options.data, _say, short=options.short, minutes=options.minutes)
    else:
        bench.demo(root, _say)


def _import_model(root: Path, options: argparse.Namespace) -> None:
    from segloop.stack import models

    models.import_model(
        state.environment(root),
        options.path,
        project=options.project,
        name=options.name,
        reason=options.promote,
        orientation=options.orientation,
        say=_say,
    )


def _verify_audit(root: Path, options: argparse.Namespace) -> int:
    from segloop.stack import audit

    return audit.verify(state.environment(root), options.head, _say)


def _audit_head(root: Path, _: argparse.Namespace) -> None:
    from segloop.stack import audit

    _say(audit.head(state.environment(root)))


def _sbom(_: Path, options: argparse.Namespace) -> None:
    from segloop.stack.applications import ROOT
    from segloop.stack.sbom import bill

    n = bill.write(ROOT, options.file)
    _say(f"{n} components, all licences of what is shipped let in: {options.file}")


def _link(root: Path, options: argparse.Namespace) -> None:
    _say(state.new_link(root, options.person))


def _token(root: Path, _: argparse.Namespace) -> None:
    _say(f"The token is the entry 'token' of {root / 'credentials.json'}, which only its owner can read.")


def _addresses(root: Path) -> str:
    ports = state.ports(root)
    return "\n".join(
        [
            f"  UI      {state.new_link(root)}   (opens once; a new link: ./segloop admin link)",
            f"  API     http://127.0.0.1:{ports['api']}/docs   (token: {root / 'credentials.json'})",
            f"  Flower  http://127.0.0.1:{ports['flower']}   (user segloop, password: the same token)",
            f"  Data    {root}   Logs: ./segloop logs   Stop: ./segloop down",
        ]
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
