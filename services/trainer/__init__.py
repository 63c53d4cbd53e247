"""services.trainer."""
