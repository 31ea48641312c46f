"""Care and its bills: institutions, visits, wards, prices, settlements and their mishaps. Open first: visits.py."""
