"""What the logs never hold."""

import json
import logging

from segloop.logs import JsonFormatter


def test_tickets_and_sign_in_keys_are_cut_out_of_addresses() -> None:
    line = 'GET /v1/masks/1/content?ticket=abc.def-1 HTTP/1.1" 200, GET /?key=s3cret&volume=7'
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, line, None, None)
    message = json.loads(JsonFormatter().format(record))["message"]
    assert "abc.def" not in message and "s3cret" not in message
    assert "/v1/masks/1/content?ticket=..." in message and "volume=7" in message


def test_what_people_search_for_is_cut_out_of_addresses() -> None:
    for line in (
        'GET /v1/projects/default/worklist?state=new&search=Canary%20Carla&limit=25 HTTP/1.1" 200',
        "HTTP Request: GET http://127.0.0.1/v1/projects/default/worklist?search=Canary+Carla",
    ):
        record = logging.LogRecord("httpx", logging.INFO, "", 0, line, None, None)
        message = json.loads(JsonFormatter().format(record))["message"]
        assert "Canary" not in message and "Carla" not in message and "worklist" in message
