"""Feedback: people's verdicts on masks, append-only."""
