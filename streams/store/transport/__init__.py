"""Offsets and leases, the outbox, the log that is the bus in PostgreSQL. Open first: offsets.py."""
