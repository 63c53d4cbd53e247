"""Signing in by an identity provider: OpenID Connect."""
