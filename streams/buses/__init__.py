"""The buses behind streams/bus.py: PostgreSQL and Apache Kafka, with one contract suite over both.

Imports store, bus, topics. Only kafka.py (and the host of that name) knows Kafka. Open first: postgres.py.
"""
