"""What the gateway is told: who may send, which series go where, and who gets the results. One YAML file, read at start."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydicom import Dataset
from pydicom.multival import MultiValue

from segloop.errors import InvalidInput
from services.dicom_gateway.config_stow import Stow, read_stow
from services.dicom_gateway.values import aet, only, port

_CONDITIONS = {
    "caller": None,
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "kernel": "ConvolutionKernel",
    "station": "StationName",
}


@dataclass(frozen=True)
class Destination:
    """Where results are sent by C-STORE."""

    name: str
    aet: str
    host: str
    port: int


@dataclass(frozen=True)
class Rule:
    """What is done with a series that fits: `project` None leaves it alone. Patterns are regular expressions, found anywhere."""

    name: str
    patterns: Mapping[str, re.Pattern[str]]
    fewest_slices: int = 1
    project: str | None = "default"
    priority: Literal["stat", "routine"] = "routine"
    destinations: tuple[str, ...] = ()

    def fits(self, header: Dataset, *, caller: str, n_slices: int) -> bool:
        """Say whether a series is meant, by the header of one of its slices."""
        values = {
            name: caller if keyword is None else _text(header, keyword)
            for name, keyword in _CONDITIONS.items()
        }
        return n_slices >= self.fewest_slices and all(
            pattern.search(values[name]) for name, pattern in self.patterns.items()
        )


@dataclass(frozen=True)
class Config:
    """The gateway's settings; nobody sends who is not among `callers`."""

    aet: str = "SEGLOOP"
    host: str = "127.0.0.1"
    port: int = 11112
    callers: tuple[str, ...] = ()
    quiet_s: float = 30.0
    keep_s: float = 24 * 3600.0
    rules: tuple[Rule, ...] = ()
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    stow: Stow | None = None

    def rule_for(self, header: Dataset, *, caller: str, n_slices: int) -> Rule | None:
        """Return the first rule that a series fits, or None."""
        return next(
            (rule for rule in self.rules if rule.fits(header, caller=caller, n_slices=n_slices)), None
        )


def read_config(path: Path) -> Config:
    """Return the configuration in a file.

    Raises:
        InvalidInput: `gateway_config`, saying which entry is wrong.
    """
    try:
        body = yaml.safe_load(path.read_text()) or {}
        destinations = {
            name: Destination(name, aet(given["aet"]), str(given["host"]), port(given["port"]))
            for name, given in only(body.pop("destinations", {}), None).items()
        }
        rules = tuple(_rule(given, destinations) for given in body.pop("rules", []))
        stow = read_stow(body.pop("stow")) if "stow" in body else None
        only(body, {"aet", "host", "port", "callers", "quiet_s", "keep_s"})
        body["callers"] = tuple(aet(caller) for caller in body.get("callers", []))
        found = Config(**body, rules=rules, destinations=destinations, stow=stow)
        aet(found.aet)
        port(found.port)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise InvalidInput(
            "gateway_config", f"{path} can't be used: {error}. Correct it and start again."
        ) from error
    if found.quiet_s <= 0 or found.keep_s < 0:
        raise InvalidInput("gateway_config", f"{path}: quiet_s must be above 0, and keep_s not below.")
    return found


def _rule(given: Mapping[str, Any], destinations: Mapping[str, Destination]) -> Rule:
    only(given, {"name", "if", "project", "priority", "destinations"})
    conditions = dict(only(given.get("if", {}), {*_CONDITIONS, "fewest_slices"}))
    fewest = int(conditions.pop("fewest_slices", 1))
    to = tuple(given.get("destinations", []))
    unknown = set(to) - set(destinations)
    if unknown:
        raise ValueError(f"rule {given.get('name')!r} names unknown destinations {sorted(unknown)}")
    priority = given.get("priority", "routine")
    if priority not in ("stat", "routine"):
        raise ValueError(f"rule {given.get('name')!r} has priority {priority!r}; stat and routine are known")
    patterns = {name: re.compile(str(pattern)) for name, pattern in conditions.items()}
    return Rule(str(given["name"]), patterns, fewest, given.get("project", "default"), priority, to)


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    many: Iterable[Any] = value if isinstance(value, MultiValue | list) else [value]
    return " ".join(str(one) for one in many if one is not None)
