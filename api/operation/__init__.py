"""How the system is doing: status, reconciliation, dead letters, lag, and health and metrics for machines.

Imports frame and access. Open first: status.py.
"""
