"""A stand-in for a hospital's own system: it plays the traffic to a gateway, and keeps a diary of what it did.

It writes the messages of the national interface from the interface's text alone, and shares no code or table with the
gateway that reads them. Open first: player.py.
"""
