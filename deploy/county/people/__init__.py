"""Who lives in the county: the insured, their lives, groups, changes of status. Open first: insured.py."""
