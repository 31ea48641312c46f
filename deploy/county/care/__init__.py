"""Care and its bills: an ordinary year, institutions, visits, wards, prices, settlements and their mishaps.

Open first: visits.py.
"""
