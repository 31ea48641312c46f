"""How the system is doing: status, reconciliation, dead letters, lag, metrics.

Imports frame and access. Open first: status.py.
"""
