"""The table of docs/security.md is the one that the API holds to."""

from services.api.rules import RULES, Rule
from tests.conftest import ROOT

HEAD = "| operation | least | more |\n|---|---|---|\n"


def line(name: str, rule: Rule) -> str:
    more = [f"permission `{rule.permission}`"] if rule.permission else []
    more += [rule.within] if rule.within else []
    more += ["a ticket to it opens it, too"] if rule.ticket else []
    more += ["not by a key"] if rule.no_key else []
    return f"| `{name}` | {rule.needs.value} | {'; '.join(more)} |\n"


def test_the_document_shows_who_may_do_what() -> None:
    table = HEAD + "".join(line(name, rule) for name, rule in RULES.items())
    text = (ROOT / "docs/security.md").read_text()
    assert table in text, f"put this table into docs/security.md:\n{table}"
