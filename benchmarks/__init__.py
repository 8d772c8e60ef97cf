"""The bus against hand-written redis-py loops that do the same work: `python -m benchmarks --help`."""
