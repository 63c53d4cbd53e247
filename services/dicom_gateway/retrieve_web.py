"""Pull a series by QIDO-RS and WADO-RS (PS3.18 10.4, 10.6), streamed to disk in the syntax that it is stored in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from segloop.errors import InvalidInput, NotFound, Unavailable
from services.dicom_gateway.parts import Limits, PartWriter, boundary_of
from services.dicom_gateway.pull import Pull
from services.dicom_gateway.sources import WebSource

TIMEOUT_S = 300.0
"""How long a source may be silent: an archive may have to load a tape."""
N_INSTANCES = "00201209"
JSON = {"Accept": "application/dicom+json"}
WANTED = 'multipart/related; type="application/dicom"'
_PIECE_BYTES = 1 << 18


def fetch_web(source: WebSource, pull: Pull, new_path: Callable[[], Path]) -> int | None:
    """Fetch a series; return how many instances the source says it has, or None where it doesn't say.

    Raises:
        NotFound: `series_unknown_at_source`.
        InvalidInput: `source_refuses`, or what is wrong with a file.
        Unavailable: `source_unavailable`, `source_incomplete` where the answer breaks off.
    """
    with _reaching(source), source.web.client(timeout_s=TIMEOUT_S) as http:
        expected = _count(source, http, pull)
        # "*" is the syntax that it is stored in; without it many transcode. Who doesn't know "*" is asked without.
        if not _stream(source, http, pull, new_path, f"{WANTED}; transfer-syntax=*"):
            _stream(source, http, pull, new_path, WANTED)
        return expected


def probe_web(source: WebSource) -> None:
    """Ask for one study.

    Raises:
        InvalidInput: `source_refuses`.
        Unavailable: `source_unavailable`.
    """
    with _reaching(source), source.web.client(timeout_s=30.0) as http:
        _require_success(source, http.get("studies", params={"limit": "1"}, headers=JSON))


def _count(source: WebSource, http: httpx.Client, pull: Pull) -> int | None:
    wanted = {"SeriesInstanceUID": pull.series, "includefield": N_INSTANCES}
    answer = http.get(f"studies/{pull.study}/series", params=wanted, headers=JSON)
    if answer.status_code in (400, 405, 406, 501):
        return None  # it doesn't answer such questions
    if answer.status_code not in (204, 404):
        _require_success(source, answer)
        try:
            found = [one for one in answer.json() if _value(one, "0020000E") in (pull.series, None)]
            if found:
                told = _value(found[0], N_INSTANCES)
                return None if told is None else int(str(told))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            raise _unavailable(source, "answers with what is no DICOM JSON") from error
    raise NotFound("series_unknown_at_source", f"{source.name} has no such series. Check the UIDs.")


def _value(item: dict[str, dict[str, list[object]]], tag: str) -> object:
    values = item.get(tag, {}).get("Value", [])
    return values[0] if values else None


def _stream(
    source: WebSource, http: httpx.Client, pull: Pull, new_path: Callable[[], Path], accept: str
) -> bool:
    """Fetch all instances; False where the source doesn't know this way of asking."""
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    with http.stream("GET", f"studies/{pull.study}/series/{pull.series}", headers=headers) as answer:
        if answer.status_code in (400, 406):
            return False
        if answer.status_code in (204, 404):
            raise NotFound("series_unknown_at_source", f"{source.name} has no such series. Check the UIDs.")
        _require_success(source, answer)
        try:
            writer = PartWriter(boundary_of(answer.headers.get("content-type", "")), new_path, Limits())
        except InvalidInput as error:
            raise _unavailable(source, "answers in a form that nobody asked for") from error
        try:
            for piece in answer.iter_bytes(_PIECE_BYTES):
                for part in writer.feed(piece):
                    pull.take(part.path)
            writer.finish()
        except InvalidInput as error:
            if error.code != "multipart_broken":
                raise
            raise Unavailable(
                "source_incomplete", f"{source.name} broke off. Pull the series again."
            ) from error
        finally:
            writer.close()
    return True


def _require_success(source: WebSource, answer: httpx.Response) -> None:
    if answer.status_code in (401, 403):
        raise InvalidInput(
            "source_refuses", f"{source.name} does not let us in. Check the token, password or certificate."
        )
    if not answer.is_success:
        raise _unavailable(source, f"answers with HTTP status {answer.status_code}")


@contextmanager
def _reaching(source: WebSource) -> Iterator[None]:
    try:
        yield
    except httpx.RemoteProtocolError as error:
        raise Unavailable("source_incomplete", f"{source.name} broke off. Pull the series again.") from error
    except (httpx.HTTPError, KeyError) as error:  # a secret that is gone, too
        raise _unavailable(source, "can't be reached as the configuration says") from error


def _unavailable(source: WebSource, what: str) -> Unavailable:
    return Unavailable("source_unavailable", f"{source.name} {what}. Check its address and that it runs.")
