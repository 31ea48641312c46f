"""Messages: bytes to events and back, and everything that is wrong with one, field by field. Pure.

Imports knowledge_base. Open first: codec.py.
"""
