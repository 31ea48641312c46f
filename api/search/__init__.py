"""Search: one field for whatever has a name, and the page of what was found.

Imports access, frame and leads. Open first: page.py, then finding.py.
"""
