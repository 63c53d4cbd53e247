"""`./segloop admin people | members | keys`: what a site admin does without the pages."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segloop.stack import admin, state

Say = Callable[[str], None]
ROLES = ("viewer", "annotator", "reviewer", "admin")


def add(commands: Any, say: Say) -> None:
    """Add the commands to those of `./segloop admin`."""
    people = commands.add_parser("people", help="who can sign in").add_subparsers(required=True)
    _add(people, "list", "everybody", _list_people, say)
    one = _add(people, "add", "make a person; then: ./segloop admin link --person NAME", _add_person, say)
    one.add_argument("name")
    one.add_argument("--site-admin", action="store_true")
    one.add_argument("--email", help="of their account at the identity provider, which then signs them in")
    one = _add(people, "email", "bind to another account at the identity provider", _change_email, say)
    one.add_argument("name")
    one.add_argument("email")
    for name, text, is_on in (("off", "switch off, signed out at once", False), ("on", "switch on", True)):
        one = _add(people, name, text, _switch, say)
        one.add_argument("name")
        one.set_defaults(is_on=is_on)

    members = commands.add_parser("members", help="who has which role in a project").add_subparsers(
        required=True
    )
    _of_project(_add(members, "list", "everybody in a project", _list_members, say))
    one = _of_project(_add(members, "set", "give a role", _set_member, say))
    one.add_argument("name")
    one.add_argument("role", choices=ROLES)
    _permissions(one)
    one = _of_project(_add(members, "remove", "end a membership", _remove_member, say))
    one.add_argument("name")

    keys = commands.add_parser("keys", help="API keys of service accounts").add_subparsers(required=True)
    _of_project(_add(keys, "list", "with their last use", _list_keys, say), site=True)
    one = _of_project(_add(keys, "add", "make a key; its value is shown this once", _add_key, say), site=True)
    one.add_argument("name")
    one.add_argument("--role", choices=ROLES, default="annotator")
    one.add_argument("--days", type=int, default=90)
    _permissions(one)
    one = _of_project(_add(keys, "revoke", "refuse it from now on", _revoke_key, say), site=True)
    one.add_argument("id")


def _add(commands: Any, name: str, text: str, run: Callable[..., None], say: Say) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)

    def start(root: Path, options: argparse.Namespace) -> None:
        run(lambda *given, **more: admin.call(state.environment(root), *given, **more), options, say)

    parser.set_defaults(run=start)
    return parser


def _of_project(parser: argparse.ArgumentParser, *, site: bool = False) -> argparse.ArgumentParser:
    parser.add_argument("--project", default="default")
    if site:
        parser.add_argument("--site", action="store_true", help="of no project: a site admin's")
    return parser


def _permissions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--permission", action="append", default=[], choices=["identity", "export"])


Call = Callable[..., Any]


def _list_people(call: Call, _: argparse.Namespace, say: Say) -> None:
    for one in call("GET", "/v1/people")["items"]:
        marks = ["site admin"] if one["is_site_admin"] else []
        marks += ["switched off"] if one["switched_off_at"] else []
        marks += (
            [f"{one['email']}{'' if one['issuer'] else ' (never signed in by it)'}"] if one["email"] else []
        )
        say(f"{one['name']:<24}{', '.join(marks)}")


def _add_person(call: Call, options: argparse.Namespace, say: Say) -> None:
    body = {"name": options.name, "is_site_admin": options.site_admin, "email": options.email}
    call("POST", "/v1/people", json=body)
    say(f"{options.name} can sign in by: ./segloop admin link --person {options.name}")


def _change_email(call: Call, options: argparse.Namespace, say: Say) -> None:
    call("PATCH", f"/v1/people/{options.name}", json={"email": options.email})
    say(f"{options.name} is signed out, and signs in next with the account of {options.email}")


def _switch(call: Call, options: argparse.Namespace, say: Say) -> None:
    call("PATCH", f"/v1/people/{options.name}", json={"is_on": options.is_on})
    say(f"{options.name} is switched {'on' if options.is_on else 'off'}")


def _list_members(call: Call, options: argparse.Namespace, say: Say) -> None:
    for one in call("GET", f"/v1/projects/{options.project}/members")["items"]:
        say(f"{one['name']:<24}{one['role']:<12}{', '.join(one['permissions'])}")


def _set_member(call: Call, options: argparse.Namespace, say: Say) -> None:
    body = {"role": options.role, "permissions": options.permission}
    call("PUT", f"/v1/projects/{options.project}/members/{options.name}", json=body)
    say(f"{options.name} is {options.role} of {options.project}")


def _remove_member(call: Call, options: argparse.Namespace, say: Say) -> None:
    call("DELETE", f"/v1/projects/{options.project}/members/{options.name}")
    say(f"{options.name} is no member of {options.project} any more")


def _list_keys(call: Call, options: argparse.Namespace, say: Say) -> None:
    for one in call("GET", _keys(options))["items"]:
        say(f"{one['id']}  {one['acts_as']:<28}{one['role'] or 'site admin':<12}{_standing(one)}")


def _add_key(call: Call, options: argparse.Namespace, say: Say) -> None:
    body = {"name": options.name, "permissions": options.permission, "days": options.days}
    made = call("POST", _keys(options), json=body if options.site else body | {"role": options.role})
    say(
        f"{made['key']}\nThis is shown once. It is good until {made['expires_at']} and acts as {made['acts_as']}."
    )


def _revoke_key(call: Call, options: argparse.Namespace, say: Say) -> None:
    call("DELETE", f"{_keys(options)}/{options.id}")
    say("The key is refused from now on")


def _keys(options: argparse.Namespace) -> str:
    return "/v1/keys" if options.site else f"/v1/projects/{options.project}/keys"


def _standing(key: Mapping[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']}"
    return f"until {key['expires_at']}, last used {key['last_used_at'] or 'never'}"
