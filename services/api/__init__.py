"""services.api."""
