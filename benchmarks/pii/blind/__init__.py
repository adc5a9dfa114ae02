"""A blind set: personal data as it stands in letters, forms, logs and transcripts, written before any recognizer was read.

`python -m benchmarks.pii.blind --out DIR` writes it in the layout that `python -m benchmarks.privacy --data` takes.
"""
