"""Planted cheating, the truth of it, and the score against it. Open first: cheating.py."""
