"""Benchmarks of polargen against its peers; ``python -m benchmarks.run`` from the repository."""
