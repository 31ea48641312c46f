"""The hospital gateway: what hospital systems send before, during and after an order, read and checked field by field.

The field tables are ``interface/*.yaml``, what a province does otherwise ``dialects/*.yaml``. Who sent something is
proven in keys.py, before anything of it is read. Open first: checking.py, then interface/3101.yaml.
"""
