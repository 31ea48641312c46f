"""Catalogues: dated points, one YAML file each, and the row types that say what a point of each may hold.

Imports knowledge_base.days. Open first: rows.py, then any YAML file.
"""
