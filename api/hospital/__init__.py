"""The hospital gateway: what hospital systems send before, during and after an order, read and checked field by field.

The field tables are ``interface/*.yaml``, what a province does otherwise ``dialects/*.yaml``. Imports knowledge_base
alone. Open first: checking.py, then interface/3101.yaml.
"""
