"""Retention: what nobody needs any more leaves the lake after the time that is set for it."""
