"""Instants as they are written: what is finer than microseconds is cut and never rounded into the next day.

JSON's reader rounds it. Other programs write the end of a day as 23:59:59.9999999.
"""

import re

_TOO_FINE = re.compile(rb"\.\d{7}").search
_INSTANT = re.compile(rb'("\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d\.\d{6})\d+')


def with_cut_instants(body: bytes) -> bytes:
    """A JSON text whose instants hold microseconds at most; nearly every one is the same text."""
    return body if _TOO_FINE(body) is None else _INSTANT.sub(rb"\1", body)
