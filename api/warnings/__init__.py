"""Warnings: what doctors were told about orders before they were billed, what they did, what came of it.

For a hospital's own office those of its institutions, for the fund those in sight, in the same words. Imports frame and
access. Open first: filters.py, then view.py.
"""
