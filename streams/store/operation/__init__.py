"""How the system is doing: status, condition, overview. Open first: status.py."""
