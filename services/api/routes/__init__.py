"""services.api.routes."""
