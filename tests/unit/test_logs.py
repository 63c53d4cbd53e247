"""What the logs never hold."""

import json
import logging
import sys

from segloop.logs import JsonFormatter


def test_tickets_and_sign_in_keys_are_cut_out_of_addresses() -> None:
    line = 'GET /v1/masks/1/content?ticket=abc.def-1 HTTP/1.1" 200, GET /?key=s3cret&volume=7, GET /sign-in/callback?code=c0de&state=x'
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, line, None, None)
    message = json.loads(JsonFormatter().format(record))["message"]
    assert "abc.def" not in message and "s3cret" not in message and "c0de" not in message
    assert "/v1/masks/1/content?ticket=..." in message and "volume=7" in message


def test_what_people_search_for_is_cut_out_of_addresses() -> None:
    for line in (
        'GET /v1/projects/default/worklist?state=new&search=Canary%20Carla&limit=25 HTTP/1.1" 200',
        "HTTP Request: GET http://127.0.0.1/v1/projects/default/worklist?search=Canary+Carla",
    ):
        record = logging.LogRecord("httpx", logging.INFO, "", 0, line, None, None)
        message = json.loads(JsonFormatter().format(record))["message"]
        assert "Canary" not in message and "Carla" not in message and "worklist" in message


def test_of_an_error_types_and_places_are_written_and_no_text_that_may_quote_a_patient() -> None:
    try:
        try:
            raise ValueError("LINE 1: ... 'Canary^Carla'")
        except ValueError as error:
            raise RuntimeError("[SQL: INSERT ... 'Canary^Carla']") from error
    except RuntimeError:
        found = sys.exc_info()
    record = logging.LogRecord("segloop", logging.ERROR, "", 0, "unexpected error", None, found)
    line = json.loads(JsonFormatter().format(record))
    assert "builtins.RuntimeError" in line["traceback"] and "builtins.ValueError" in line["traceback"]
    assert "test_logs.py" in line["traceback"]
    texts = [
        one for one in line["traceback"].splitlines() if not one.startswith(" ")
    ]  # without lines of source
    assert not [one for one in texts if "Canary" in one]
