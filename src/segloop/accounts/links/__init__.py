"""One-time links that sign a person in."""
