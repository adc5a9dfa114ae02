"""Erasure: makes the lake, the index and everything beside them forget a document or a person, and proves it."""
