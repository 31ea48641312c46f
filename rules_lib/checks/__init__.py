"""Checks: one pure function a rule, by topic. A rule file names its check as ``module.function``.

Imports knowledge_base, histories and questions. Open first: stays.py.
"""
