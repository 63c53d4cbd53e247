"""Comparisons of a candidate with the version in production, and what may be done on each verdict."""
