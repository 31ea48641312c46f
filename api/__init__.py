"""What people and systems see: the inspectors' desk and the JSON interface.

One folder a resource; each imports frame and access, never another one. app.py mounts them and does nothing else.
Imports streams (not its hosts) and below. Open first: app.py, then leads/queue.py.
"""
