"""What metrics show of gateways."""
