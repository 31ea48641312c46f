"""Events and who is one person: locks, arrival, what windows and evidence are read from. Open first: stored.py."""
