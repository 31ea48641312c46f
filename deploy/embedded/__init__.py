"""Real servers started from packages: PostgreSQL, and Apache Kafka, each on a folder, each ending with its owner.

Imports nothing of ours. Open first: postgres.py.
"""
