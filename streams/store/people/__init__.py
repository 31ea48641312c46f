"""Log-ins and their sessions. Open first: users.py."""
