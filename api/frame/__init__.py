"""What every page shares: the desk it works with, rendering, texts, sentences, addresses, style.

Imports streams.store and below. Open first: desk.py.
"""
