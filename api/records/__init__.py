"""Records: pages of a claim, a patient and an institution, to which evidence and search lead.

Imports access, frame and, for marked lines and timelines, leads. Open first: seen.py, then claim.py.
"""
