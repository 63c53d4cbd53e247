"""Statistics of feedback."""
