"""Tests of the pure pipeline in memory, with made-up rules whose reach is as odd as the contract allows.

Open first: made_up.py.
"""
