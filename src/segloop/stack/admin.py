"""People, keys and one-time links by command, through the API with the installation's own token.

`python -m segloop.stack.admin link` does it where there is no data folder, such as in the API's container.
"""

import sys
from collections.abc import Mapping
from typing import Any

import httpx

from segloop.errors import SegloopError, Unavailable
from segloop.settings import Settings

FIRST = "admin"
"""The person that the first link makes: a site admin."""


def new_code(environment: Mapping[str, str] | None = None, person: str = FIRST) -> str:
    """Return the code of a fresh one-time link for a person; the first site admin is made where missing.

    Raises:
        Unavailable: `api_unavailable`.
        SegloopError: what the API says, such as `person_unknown`.
    """
    if person == FIRST:
        try:
            call(environment, "POST", "/v1/people", json={"name": FIRST, "is_site_admin": True})
        except SegloopError as error:
            if error.code != "person_exists":
                raise
    return str(call(environment, "POST", f"/v1/people/{person}/links")["code"])


def call(environment: Mapping[str, str] | None, method: str, path: str, **given: Any) -> Any:
    """Return what the API answers to the installation's own token.

    Raises:
        Unavailable: `api_unavailable`; SegloopError: what the API says.
    """
    settings = Settings.from_env(environment)
    headers = {"Authorization": f"Bearer {settings.token}"}
    try:
        answer = httpx.request(method, settings.api_url + path, headers=headers, timeout=30.0, **given)
    except httpx.TransportError as error:
        raise Unavailable("api_unavailable", "The API can't be reached. Start it: ./segloop up.") from error
    body = answer.json() if answer.content else {}
    if not answer.is_success:
        raise SegloopError(body.get("code", "internal"), body.get("detail", "The API gave an error."))
    return body


if __name__ == "__main__":
    print(f"/?key={new_code(None, *sys.argv[2:3])}")
