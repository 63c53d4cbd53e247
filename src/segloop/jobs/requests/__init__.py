"""Requests that named themselves with an Idempotency-Key, and the jobs they got."""
