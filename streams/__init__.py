"""What moves and where it rests: from a message on a bus to a finding, a lead and back.

    hosts -> jobs | importers -> handlers | acts | buses | journal -> store -> pipeline -> topics | bus -> messages

Each folder imports only what stands to its right; messages, topics and pipeline reach no driver, clock, loop or store.
Open first: pipeline/judge.py (one screen), then handlers/events.py, then hosts/service.py.
"""
