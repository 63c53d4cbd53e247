"""A small client for integrators; it needs httpx and nothing else of ours or anybody's."""

from segloop.client.answers import Job, Mask
from segloop.client.api import Segloop
from segloop.client.http import ApiError
from segloop.client.webhook import WebhookRefused, verify

__all__ = ["ApiError", "Job", "Mask", "Segloop", "WebhookRefused", "verify"]
