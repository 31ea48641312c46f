"""Dead letters as stored: choosing, listing, how far replays are. What people do with them is ``streams.acts.letters``.

A replay sends the bytes again as new messages of a source of its own ("replay 7"), so that what became of them is
counted apart and what was counted before stays. It goes on in steps; a letter that was replayed is never sent by
another replay.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Literal

import msgspec

from streams.store.sessions import Connection

NEWEST = 2**63 - 1

Outcome = Literal["conflict", "dead"]
State = Literal["left", "replayed", "all"]
STATES: dict[State, bool | None] = {"left": False, "replayed": True, "all": None}
"""The words for letters that are still to do, for those that were replayed, and for both, as a filter has them."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that did not become an event, without its bytes. ``money`` in yuan, ``None`` where it is not known.

    ``line`` is which line of its file it was, counted from 1 in the unpacked text; ``None`` where it came from no file
    or before this was kept.
    """

    topic: str
    partition: int
    offset: int
    outcome: str
    source: str
    reasons: list[str]
    money: Decimal | None
    recorded_at: datetime
    replayed_at: datetime | None
    replay: int | None
    line: int | None

    @property
    def name(self) -> str:
        """How people name it: ``claims/0/123``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class LetterFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which dead letters. Nothing given means all.

    ``reason`` is a reason, its kind as ``find_reasons`` tells it, the field before its colon, or the last part of that
    field's name; ``day`` a day in China; ``seq`` one letter.
    """

    outcome: str | None = None
    reason: str | None = None
    source: str | None = None
    day: date | None = None
    replayed: bool | None = None
    seq: int | None = None


class Count(msgspec.Struct, frozen=True):
    """How many dead letters a filter chooses, and how many of them were not replayed."""

    letters: int
    left: int


class Replay(msgspec.Struct, frozen=True):
    """A replay: ``sent`` of ``letters`` so far, and what became of the messages that were read again.

    ``counted`` of the sent ones go to the topic whose outcomes are counted. ``finished_at`` says that none is left.
    """

    replay: int
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    letters: int
    sent: int
    counted: int
    accepted: int
    duplicate: int
    conflict: int
    dead: int

    @property
    def waiting(self) -> int:
        """Messages that were sent and not read yet."""
        return max(0, self.counted - self.accepted - self.duplicate - self.conflict - self.dead)


class View(msgspec.Struct, frozen=True):
    """Somebody looked at the bytes of a dead letter."""

    seen_by: str
    purpose: str
    seen_at: datetime


COLUMNS = 'topic, partition, "offset", outcome, source, reasons, money, recorded_at, replayed_at, replay, line'

# Reasons name fields and places; without the numbers in them a few kinds remain.
_KIND = "regexp_replace(reason, '[0-9]+', '#', 'g')"

_CONDITIONS = {
    "outcome": "outcome = {}",
    "reason": f"""exists (
        select from jsonb_array_elements_text(reasons) as reason, regexp_replace({{}}, '[0-9]+', '#', 'g') as asked
        where {_KIND} = asked or starts_with({_KIND}, asked || ': ') or starts_with(
            substring({_KIND} from '[^.:]+: .*'), asked || ': '))""",
    "source": "source = {}",
    "day": "(recorded_at at time zone 'Asia/Shanghai')::date = {}",
    "replayed": "(replayed_at is not null) = {}",
    "seq": "seq = {}",
}


def _where(chosen: LetterFilter, arguments: list[object]) -> str:
    """The conditions that a filter gives, as SQL; their values are added to the arguments."""
    conditions = ["true"]
    for field, condition in _CONDITIONS.items():
        value = getattr(chosen, field)
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(f"${len(arguments)}"))
    return " and ".join(conditions)


async def find_dead_letters(
    connection: Connection, chosen: LetterFilter, before: int, most: int
) -> list[tuple[int, DeadLetter]]:
    """Dead letters, the newest first, each with the number after which the next page begins."""
    arguments: list[object] = [before, most]
    rows = await connection.fetch(
        f"select seq, {COLUMNS} from dead_letters where seq < $1 and {_where(chosen, arguments)}"
        " order by seq desc limit $2",
        *arguments,
    )
    return [(row["seq"], letter_of_row(tuple(row)[1:])) for row in rows]


async def count_dead_letters(connection: Connection, chosen: LetterFilter) -> Count:
    arguments: list[object] = []
    row = await connection.fetchrow(
        "select count(*) as letters, count(*) filter (where replayed_at is null) as left from dead_letters"
        f" where {_where(chosen, arguments)}",
        *arguments,
    )
    assert row is not None
    return Count(**row)


async def find_reasons(connection: Connection, chosen: LetterFilter, most: int) -> list[tuple[str, int]]:
    """Kinds of reasons with the number of letters that have them, the most frequent first."""
    arguments: list[object] = [most]
    rows = await connection.fetch(
        f"""
        select {_KIND} as kind, count(distinct seq) as letters
        from dead_letters, jsonb_array_elements_text(reasons) as reason
        where {_where(chosen, arguments)} group by 1 order by 2 desc, 1 limit $1
        """,
        *arguments,
    )
    return [(row["kind"], row["letters"]) for row in rows]


async def find_letter_sources(connection: Connection) -> list[str]:
    rows = await connection.fetch("select distinct source from dead_letters order by source")
    return [row["source"] for row in rows]


async def find_dead_letter(
    connection: Connection, topic: str, partition: int, offset: int
) -> tuple[int, DeadLetter] | None:
    """One dead letter with its number, ``None`` where there is none of that name."""
    row = await connection.fetchrow(
        f'select seq, {COLUMNS} from dead_letters where topic = $1 and partition = $2 and "offset" = $3',
        topic,
        partition,
        offset,
    )
    return None if row is None else (row["seq"], letter_of_row(tuple(row)[1:]))


async def save_view(connection: Connection, seq: int, seen_by: str, purpose: str) -> bytes:
    """Notes that somebody looks at a dead letter's bytes, and returns them as they are sealed."""
    sealed: bytes = await connection.fetchval(
        """
        with seen as (
            insert into dead_letter_views (topic, partition, "offset", seen_by, purpose)
            select topic, partition, "offset", $2, $3 from dead_letters where seq = $1)
        select body from dead_letters where seq = $1
        """,
        seq,
        seen_by,
        purpose,
    )
    return sealed


async def find_views(connection: Connection, letter: DeadLetter) -> list[View]:
    """Who looked at a dead letter's bytes, the latest first."""
    rows = await connection.fetch(
        "select seen_by, purpose, seen_at from dead_letter_views"
        ' where topic = $1 and partition = $2 and "offset" = $3 order by view desc',
        letter.topic,
        letter.partition,
        letter.offset,
    )
    return [View(**row) for row in rows]


async def begin_replay(connection: Connection, chosen: LetterFilter, asked_by: str) -> int | None:
    """Notes that the chosen letters are to be replayed, and returns the replay's number.

    Letters that arrive later are not among them, nor those that were replayed before; ``None`` where none is left.
    """
    async with connection.transaction():
        arguments: list[object] = []
        row = await connection.fetchrow(
            "select count(*) as letters, max(seq) as until_seq from dead_letters"
            f" where replayed_at is null and {_where(chosen, arguments)}",
            *arguments,
        )
        assert row is not None
        if not row["letters"]:
            return None
        number: int = await connection.fetchval(
            "insert into replays (asked_by, chosen, until_seq, letters) values ($1, $2::jsonb, $3, $4)"
            " returning replay",
            asked_by,
            msgspec.json.encode(chosen).decode(),
            row["until_seq"],
            row["letters"],
        )
        return number


class Sealed(msgspec.Struct, frozen=True):
    """A letter that is to be sent again, with its bytes as they are sealed."""

    topic: str
    key: bytes | None
    body: bytes


async def take_letters(connection: Connection, number: int, most: int, most_bytes: int) -> list[Sealed] | None:
    """The next letters of a replay, marked as replayed, in their order; ``None`` where there is no such replay.

    So many at most, and no more once they hold so many sealed bytes.
    Two who go on with one replay at once stand in line here, until the caller's transaction ends.
    """
    replay = await connection.fetchrow("select chosen, until_seq from replays where replay = $1 for update", number)
    if replay is None:
        return None
    arguments: list[object] = [replay["until_seq"], most, number, most_bytes]
    chosen = msgspec.json.decode(replay["chosen"], type=LetterFilter)
    rows = await connection.fetch(
        f"""
        update dead_letters set replayed_at = now(), replay = $3
        where seq in (
            select seq from (
                select seq, sum(size) over (order by seq) - size as before from (
                    select seq, octet_length(body) as size from dead_letters
                    where replayed_at is null and seq <= $1 and {_where(chosen, arguments)}
                    order by seq limit $2 for update) as next) as summed
            where before < $4)
        returning seq, topic, key, body
        """,
        *arguments,
    )
    return [Sealed(row["topic"], row["key"], row["body"]) for row in sorted(rows, key=itemgetter("seq"))]


async def move_replay(connection: Connection, number: int, more: int, is_finished: bool) -> None:
    """Notes that so many letters more were sent."""
    await connection.execute(
        "update replays set sent = sent + $2, finished_at = case when $3 then now() end where replay = $1",
        number,
        more,
        is_finished,
    )


async def find_replay(connection: Connection, number: int, counted: Sequence[str]) -> Replay | None:
    """A replay as far as it is, with what became of it; ``counted`` are the topics whose outcomes are counted."""
    row = await connection.fetchrow(
        """
        select r.replay, r.asked_by, r.asked_at, r.finished_at, r.letters, r.sent,
            (select count(*) from dead_letters d where d.replay = r.replay and d.topic = any($2::text[]))
                + (select coalesce(sum(letters), 0) from purged_letters g where g.replay = r.replay)::bigint as counted,
            coalesce(sum(l.accepted), 0)::bigint as accepted, coalesce(sum(l.duplicate), 0)::bigint as duplicate,
            coalesce(sum(l.conflict), 0)::bigint as conflict, coalesce(sum(l.dead), 0)::bigint as dead
        from replays r left join ledger l on l.source = 'replay ' || r.replay where r.replay = $1 group by r.replay
        """,
        number,
        counted,
    )
    return None if row is None else Replay(**row)


async def find_unfinished_replays(connection: Connection) -> list[int]:
    """Replays that stopped on their way: whoever wants may go on with them."""
    rows = await connection.fetch("select replay from replays where finished_at is null order by replay")
    return [row["replay"] for row in rows]


def letter_of_row(values: Sequence[object]) -> DeadLetter:
    """A letter of the values of ``COLUMNS``."""
    names = DeadLetter.__struct_fields__
    words = dict(zip(names, values, strict=True))
    return DeadLetter(**{**words, "reasons": json.loads(str(words["reasons"]))})
