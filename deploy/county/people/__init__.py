"""Who lives in the county: the insured, groups of them, deaths and changes of status. Open first: insured.py."""
