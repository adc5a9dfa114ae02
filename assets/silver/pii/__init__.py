"""Recognizers of personal data: one file for each kind, found by `assets.silver.redact`."""
