"""The learning loop: which cases train, what they may claim, and whether a candidate is better. Knows no torch."""
