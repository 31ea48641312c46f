"""Hosts: what runs in one process, from start to orderly stop, on either bus, and how it is watched.

Imports everything in streams; nothing in streams imports it. Open first: service.py.
"""
