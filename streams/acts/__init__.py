"""Acts: what a person or a door sets going, one transaction each. Pages, commands and gateways all use these.

Imports store and below. Open first: decide.py.
"""
