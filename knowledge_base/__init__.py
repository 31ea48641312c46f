"""The nouns and the facts: events, their digests, findings, subjects, days, dated catalogues.

Imports nothing of ours, reaches no clock, network or database. Open first: events/claims.py.
"""
