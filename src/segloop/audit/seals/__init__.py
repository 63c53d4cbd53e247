"""Seals that tell whether the audit record was changed."""
