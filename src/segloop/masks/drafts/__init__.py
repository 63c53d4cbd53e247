"""Drafts: a person's unfinished edit of a volume's mask, kept as a base mask and append-only entries."""
