"""What every page shares: the desk it works with, rendering, texts, sentences, addresses, style.

Imports streams (not its hosts) and below. Open first: desk.py.
"""
