"""Faults: things are killed, and nothing is lost."""
