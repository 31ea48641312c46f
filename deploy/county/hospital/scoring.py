"""How much of what was about to be done was warned of in time, against what the traffic planned.

An act that is heeded was planned by the county and billed by nobody: it is found where a warning put its order in
question. What was billed in spite of a warning is scored among the findings, by its lines (``acts.scoring``).
"""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from deploy.county.acts.scoring import Share, wilson
from deploy.county.hospital.diary import Asked, Deed, OrderKey, by_order
from deploy.county.orders.traffic import Asking, is_asking
from deploy.county.truth import NAMES, Kind


class HeededScore(msgspec.Struct, frozen=True):
    """One kind of act that doctors were about to commit: how many of them were warned of."""

    kind: str
    name: str
    warned: Share


class AskingScore(msgspec.Struct, frozen=True):
    """``warned`` of all heeded acts, by kind, and how many of all ``warnings`` were about one of them."""

    kinds: tuple[HeededScore, ...]
    warned: Share
    warnings: Share


def score_asking(rows: Iterable[bytes], deeds: Iterable[Deed]) -> AskingScore:
    """Compare a diary with the traffic that was played. Raises ``msgspec.DecodeError`` where either is none."""
    deeds = list(deeds)
    heeded = _heeded(rows)
    done = by_order(deeds)
    warned: defaultdict[Kind, list[bool]] = defaultdict(list)
    about: set[str] = set()
    for key, kind in heeded.items():
        told = done[key].warned if key in done else []
        warned[kind].append(bool(told))
        about.update(told)
    every = [is_warned for of_kind in warned.values() for is_warned in of_kind]
    said = sum(len(deed.warnings) for deed in deeds if isinstance(deed, Asked))
    return AskingScore(
        kinds=tuple(_score(kind, warned[kind]) for kind in Kind if kind in warned),
        warned=wilson(sum(every), len(every)),
        warnings=wilson(len(about), said),
    )


def _heeded(rows: Iterable[bytes]) -> dict[OrderKey, Kind]:
    decode = msgspec.json.Decoder(Asking).decode
    found = {}
    for row in rows:
        if is_asking(row):
            asking = decode(row)
            for of in asking.encounters:
                for order in of.orders:
                    if order.plan.act is not None:
                        key = OrderKey(asking.institution, of.encounter, order.order_id, order.item_code)
                        found[key] = Kind(order.plan.act)
    return found


def _score(kind: Kind, warned: list[bool]) -> HeededScore:
    return HeededScore(kind, " ".join(NAMES[kind]), wilson(sum(warned), len(warned)))
