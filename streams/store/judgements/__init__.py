"""Findings with their versions, anchors not evaluated, published rule sets. Open first: findings.py."""
