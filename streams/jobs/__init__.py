"""Jobs: long work in pieces, each piece a transaction with the place where to go on.

Imports handlers, buses, store and below. Open first: rejudging.py.
"""
