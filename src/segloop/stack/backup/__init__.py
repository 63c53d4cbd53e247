"""Backup and restore of one installation: database, objects and keys, each with its SHA-256."""
