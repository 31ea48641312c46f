"""The judgements: rules as YAML files, the checks that they name, and the engine that runs them. Pure.

Imports knowledge_base. Open first: rules/stays/bed_days_exceed_the_stay.yaml, then checks/stays.py, then engine.py.
"""
