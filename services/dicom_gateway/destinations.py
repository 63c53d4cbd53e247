"""Where results go, in which forms, and what is sent instead where a form is not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.values import aet, boolean, one_of, only, port, words
from services.dicom_gateway.web import WEB, Web, read_tls, read_web

FORMS = {
    "seg": "Segmentation",
    "labelmap": "Label Map Segmentation",
    "rtstruct": "RT Structure Set",
    "pdf": "Encapsulated PDF",
    "sr": "Structured Report",
    "capture": "Secondary Capture",
}
"""Of a result, as the API makes them, and what DICOM calls them."""
_SHARED = {"kind", "forms", "fallback"}


@dataclass(frozen=True, kw_only=True)
class CStore:
    """A PACS that takes results by C-STORE. With `commitment` it is asked to vouch for them (PS3.4 J), else C-FIND looks."""

    name: str
    aet: str
    host: str
    port: int
    forms: tuple[str, ...] = ("seg",)
    fallback: tuple[str, ...] = ()
    commitment: bool = False
    tls: Certificates | None = None
    kind: Literal["c-store"] = "c-store"


@dataclass(frozen=True, kw_only=True)
class StowRs:
    """A PACS that takes results by STOW-RS; with `deflated` they are first offered packed, which is far smaller."""

    name: str
    web: Web
    forms: tuple[str, ...] = ("seg",)
    fallback: tuple[str, ...] = ()
    deflated: bool = True
    kind: Literal["stow-rs"] = "stow-rs"


Destination = CStore | StowRs


def read_destination(name: str, given: Any) -> Destination:
    """Return a destination of the configuration."""
    kind = one_of(given.get("kind", "c-store"), ("c-store", "stow-rs"), "kind of destination")
    forms = words(given.get("forms", ["seg"]), FORMS, "form")
    fallback = words(given.get("fallback", []), FORMS, "form")
    if not forms:
        raise ValueError(f"destination {name!r} has no forms")
    if kind == "c-store":
        only(given, {*_SHARED, "aet", "host", "port", "commitment", "tls"})
        return CStore(
            name=str(name),
            aet=aet(given["aet"]),
            host=str(given["host"]),
            port=port(given["port"]),
            forms=forms,
            fallback=fallback,
            commitment=boolean(given.get("commitment", False), "commitment"),
            tls=read_tls(given["tls"]) if "tls" in given else None,
        )
    only(given, {*_SHARED, *WEB, "deflated"})
    deflated = one_of(given.get("deflated", "auto"), ("auto", "never"), "way to deflate") == "auto"
    return StowRs(name=str(name), web=read_web(given), forms=forms, fallback=fallback, deflated=deflated)


def forms_for(destination: Destination, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return which forms a destination gets of those that a rule puts out; no outputs mean all that it wants."""
    return tuple(form for form in destination.forms if not outputs or form in outputs)


def read_destinations(given: Any) -> Mapping[str, Destination]:
    """Return all destinations by their names."""
    return {str(name): read_destination(name, only(one, None)) for name, one in only(given, None).items()}
