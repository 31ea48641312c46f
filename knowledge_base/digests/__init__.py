"""Digests: the part of an event that rules may look at, small enough to be read by the hundred.

A digest is what windows over a history are made of. It is a positional array (msgspec ``array_like``), so a claim of
ten lines takes some 700 bytes. Instants are microseconds since 1970-01-01T00:00Z, days are ``Day`` numbers; amounts
stay decimals. A new field comes last and has a default, so that stored digests stay readable.

One file a kind, each with what makes it of an event, which of a claim is ``making``. Imports knowledge_base.events.
Open first: claims.py.
"""
