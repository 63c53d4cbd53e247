"""Every setting is documented, with the default that the code has."""

from dataclasses import MISSING, fields

from segloop.settings import PREFIX, Settings
from tests.conftest import ROOT


def documented() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert set(documented()) == {PREFIX + field.name.upper() for field in fields(Settings)}


def test_documented_values_are_the_defaults() -> None:
    for field in fields(Settings):
        value = documented()[PREFIX + field.name.upper()]
        default = "" if field.default is MISSING else str(field.default)
        if isinstance(field.default, bool):
            assert value == default.lower()
        elif isinstance(field.default, int | float):
            assert float(value) == field.default
        else:
            assert value == default


def test_secrets_have_no_default() -> None:
    values = documented()
    for name in ("TOKEN", "TICKET_KEY", "PSEUDONYM_KEY", "S3_SECRET_KEY", "DATABASE_URL"):
        assert values[PREFIX + name] == ""
