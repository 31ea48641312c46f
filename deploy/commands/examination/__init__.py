"""What the doctor examines: this machine, journals, the database and the bus, each in a module; every answer is a sign.

Nothing here changes anything: no migration, no publication, no key is made. Each examination stands by itself, so that
one that fails takes no other with it; of an error it says the kind, since its text may quote what must not be shown.

Imports what is examined and no other command. Open first: signs.py, then machine.py.
"""
