"""Leads: the queue, a lead's page with its evidence, and both as JSON.

Imports frame and access. Open first: queue.py, then page.py.
"""
