"""What gateways are asked to do."""
