"""Planted cheating, and the score against the truth of it. Open first: cheating.py."""
