"""Benchmarks: `python -m benchmarks.NAME [--data DIR] [--quick] [--json FILE]`, exit code 1 where a goal is missed."""
