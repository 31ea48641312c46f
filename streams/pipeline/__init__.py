"""The pipeline: from events to finding versions, as values in and values out. Pure.

Imports messages, bus (its types), rules_lib.
Open first: judge.py, which is one screen; then touching, windows, comparing.
"""
