"""Signed-in people: their session keys."""
