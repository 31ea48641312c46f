"""Histories: what a check may read of a subject, as it stands. One file a kind of subject.

Imports knowledge_base and rules_lib.scope. Open first: patient.py.
"""
