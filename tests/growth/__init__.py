"""Growth proven: an event kind, a subject kind with a rule, and a detector that the program does not know.

Each file is what somebody adding one would write, and no file of the program is touched for it. Open first: swipes.py.
"""
