"""What people and systems see: the inspectors' desk and the JSON interface.

One folder a resource; each imports access and frame, never another one. app.py mounts them and answers faults. Every
route names in its signature who may call it. Imports streams (of its hosts only the metrics) and below.
Open first: app.py, then leads/queue.py.
"""
