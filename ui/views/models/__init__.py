"""Page "Models & training": corrections, retraining, and the versions that come of it."""
