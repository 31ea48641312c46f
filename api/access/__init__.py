"""Who is at the desk: log-ins, sessions, forms, and the page to sign in.

Imports frame. Open first: sessions.py.
"""
