"""Handlers: what is done with a batch of one topic, in one transaction. They know no bus and no host.

Imports store and below. Open first: events.py.
"""
