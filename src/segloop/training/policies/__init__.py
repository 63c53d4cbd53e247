"""What a project says about its retraining: when, how, who is kept for tests, and what the gate asks."""
