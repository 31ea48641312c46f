"""Who is at the desk and what they may do: sessions, rights, who may call a route, and the page to sign in.

Imports frame. Open first: callers.py.
"""
