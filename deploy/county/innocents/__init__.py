"""Honest care that looks like cheating. Open first: look_alikes.py."""
