"""Webhooks: who asked to be told what, and what still has to be told. Ids and codes only, never a patient."""
