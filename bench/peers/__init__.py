"""Peers: the first eight rules of docs/what-counts.md without our engine, in plain Python, zen-engine and CLIPS."""
