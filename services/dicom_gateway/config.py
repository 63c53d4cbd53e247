"""What the gateway is told: who may send, which series go where, and who gets the results. One YAML file, read at start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml
from pydicom import Dataset

from segloop.errors import InvalidInput
from services.dicom_gateway.config_stow import Stow, read_stow
from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.destinations import Destination, read_destinations
from services.dicom_gateway.rules import Rule, read_rule
from services.dicom_gateway.sources import Source, read_sources
from services.dicom_gateway.values import aet, only, port
from services.dicom_gateway.web import read_server_tls


@dataclass(frozen=True)
class Config:
    """The gateway's settings; nobody sends who is not among `callers`."""

    aet: str = "SEGLOOP"
    host: str = "127.0.0.1"
    port: int = 11112
    callers: tuple[str, ...] = ()
    tls: Certificates | None = None
    quiet_s: float = 30.0
    settle_s: float = 3.0
    keep_s: float = 24 * 3600.0
    rules: tuple[Rule, ...] = ()
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    stow: Stow | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)

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
        only(body, {one.name for one in fields(Config)})
        destinations = read_destinations(body.pop("destinations", {}))
        rules = tuple(read_rule(given, destinations) for given in body.pop("rules", []))
        stow = read_stow(body.pop("stow")) if "stow" in body else None
        sources = read_sources(body.pop("sources", {}))
        tls = read_server_tls(body.pop("tls")) if "tls" in body else None
        body["callers"] = tuple(aet(caller) for caller in body.get("callers", []))
        found = Config(**body, rules=rules, destinations=destinations, stow=stow, sources=sources, tls=tls)
        aet(found.aet)
        port(found.port)
        are_times_sound = found.quiet_s > 0 and found.settle_s >= 0 and found.keep_s >= 0
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, re.error) as error:
        raise InvalidInput(
            "gateway_config", f"{path} can't be used: {error}. Correct it and start again."
        ) from error
    except (OverflowError, RecursionError) as error:
        raise InvalidInput(
            "gateway_config", f"{path} holds numbers or nesting beyond measure. Correct it and start again."
        ) from error
    if not are_times_sound:
        raise InvalidInput(
            "gateway_config", f"{path}: quiet_s must be above 0, and settle_s and keep_s not below."
        )
    return found
