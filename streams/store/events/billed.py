"""What was billed, by item: over all claims of a small store, over a sample of a large one."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import msgspec

from casework.sight import Sight
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.numbers import number
from streams.messages.packing import decode_digest
from streams.store.sessions import Connection
from streams.store.sights import in_sight, place_arguments

PAGES = 2_000
"""Pages of events that are read at most (16 MB, some 20,000 claims), chosen by chance but each time the same ones."""


class Billed(msgspec.Struct, frozen=True):
    """Amounts in yuan by item code, net of refunds, "" for lines that name no item; of so many claims."""

    by_item: Mapping[str, Decimal]
    claims: int
    is_sample: bool

    @property
    def total(self) -> Decimal:
        return sum(self.by_item.values(), Decimal(0))


async def load_billed(connection: Connection, sight: Sight, pages: int = PAGES) -> Billed:
    """What the claims in sight that no other takes back or renews billed for each item.

    Which of two claims of one claim_id renews the other is told by their arrival here.
    """
    share = await _share_of_pages(connection, pages)
    by_item: dict[str, Decimal] = defaultdict(Decimal)
    claims = 0
    async with connection.transaction():
        async for row in connection.cursor(
            f"""
            select e.digest from events e tablesample system ($3::real) repeatable (0)
            where e.kind = 'claim' and {in_sight("e", 1)} and e.reverses is null and not (e.linked and exists (
                select from events o
                where o.area = e.area and o.patient = e.patient and o.linked and o.kind = 'claim' and o.seq <> e.seq
                    and o.institution = e.institution
                    and (e.claim_id in (o.reverses, o.corrects) or (o.claim_id = e.claim_id and o.seq > e.seq))
            ))
            """,
            *place_arguments(sight),
            100 * share,
        ):
            digest = cast(ClaimDigest, decode_digest("claim", row["digest"]))
            claims += 1
            for line in digest.lines:
                amount = number(line.amount)
                by_item[line.item_code or ""] += amount if line.refund_of is None else -abs(amount)
    return Billed(by_item, claims, share < 1)


async def _share_of_pages(connection: Connection, pages: int) -> float:
    """Which share of the events so many pages are, at most 1. The size is that of the file: nothing is counted."""
    held: int = await connection.fetchval("select pg_relation_size('events') / current_setting('block_size')::int")
    return min(1.0, pages / max(1, held))
