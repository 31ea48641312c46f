"""Benchmarks: whole jobs beside a peer or a floor, measured in one run (``make bench``)."""
