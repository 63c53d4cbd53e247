"""Whose an object is, of whatever kind."""
