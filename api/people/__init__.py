"""Accounts: who has one, with which roles, where each may look; and one's own, with its sessions.

Imports frame and access. Open first: page.py.
"""
