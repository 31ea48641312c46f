"""Leads, the queue that people read, decisions. Open first: leads.py."""
