"""Who has which role in which project."""
