"""The store: the only SQL. Everything that rests, in PostgreSQL. It neither sends nor opens what is sealed.

Imports pipeline, topics, bus (its types), messages. One folder a trade: events, judgements, intake, casework,
transport, people, operation. Open first: events/stored.py; migrations/ says which tables there are, sights.py what
somebody may see of them.
"""
