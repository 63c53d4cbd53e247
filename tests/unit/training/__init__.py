"""Quick tests without servers."""
