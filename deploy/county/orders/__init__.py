"""Orders: what doctors wrote before it was billed, and what hospitals ask about it before (3101) and during (3102).

Open first: writing.py.
"""
