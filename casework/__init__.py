"""What people do with findings: leads, steps and deadlines, draws. Pure: time and chance come in as arguments.

Imports knowledge_base. Open first: leads.py, then decisions.py.
"""
