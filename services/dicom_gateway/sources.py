"""Where series are pulled from by UID."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.values import aet, one_of, only, port
from services.dicom_gateway.web import WEB, Web, read_tls, read_web


@dataclass(frozen=True, kw_only=True)
class WebSource:
    """A PACS that answers QIDO-RS and WADO-RS; asked for so many series at once."""

    name: str
    web: Web
    concurrent: int = 2
    kind: Literal["dicomweb"] = "dicomweb"


@dataclass(frozen=True, kw_only=True)
class DimseSource:
    """A PACS that answers C-FIND and gives by C-GET on the same association, or by C-MOVE to our receiver."""

    name: str
    kind: Literal["c-get", "c-move"]
    aet: str
    host: str
    port: int
    tls: Certificates | None = None
    concurrent: int = 2


Source = WebSource | DimseSource


def read_sources(given: Any) -> Mapping[str, Source]:
    """Return all sources of the configuration by their names.

    Raises:
        ValueError, TypeError, KeyError, OSError: what is wrong with an entry.
    """
    return {str(name): _source(str(name), only(one, None)) for name, one in only(given, None).items()}


def _source(name: str, given: Mapping[str, Any]) -> Source:
    kind = one_of(given["kind"], ("dicomweb", "c-get", "c-move"), "kind of source")
    concurrent = given.get("concurrent", 2)
    if not isinstance(concurrent, int) or not 0 < concurrent <= 16:
        raise ValueError(f"concurrent of source {name!r} is 1 to 16, not {concurrent!r}")
    if kind == "dicomweb":
        only(given, {"kind", "concurrent", *WEB})
        return WebSource(name=name, web=read_web(given), concurrent=concurrent)
    only(given, {"kind", "concurrent", "aet", "host", "port", "tls"})
    return DimseSource(
        name=name,
        kind="c-get" if kind == "c-get" else "c-move",
        aet=aet(given["aet"]),
        host=str(given["host"]),
        port=port(given["port"]),
        tls=read_tls(given["tls"]) if "tls" in given else None,
        concurrent=concurrent,
    )
