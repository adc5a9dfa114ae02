"""Readers of file formats: each turns the content of one format into a document, or into the documents it holds."""

from assets.silver.readers.registry import READERS, read

__all__ = ["READERS", "read"]
