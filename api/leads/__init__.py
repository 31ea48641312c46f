"""Leads: the queue, a lead's page with its evidence, and both as JSON.

Imports access and frame. Open first: queue.py, then page.py and view.py.
"""
