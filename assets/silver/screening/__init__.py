"""Screening of documents that attack: what a text may do to the model that reads it is checked at the door."""

from assets.silver.screening.screen import SCREENER, Finding, screen

__all__ = ["SCREENER", "Finding", "screen"]
