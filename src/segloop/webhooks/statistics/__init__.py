"""What metrics show of webhooks."""
