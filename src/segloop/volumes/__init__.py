"""Volumes: one CT series each, uploaded in resumable parts."""
