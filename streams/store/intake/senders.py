"""Who sends, what is usual of them, and how they stand, as stored."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from casework.sight import Sight
from casework.silence import Hour, Norms, State
from knowledge_base.days import Day, day_of
from streams.messages.kinds import BEFORE, CLAIM, DURING
from streams.store.sessions import Connection

_JUDGING = 0x53494C45  # "SILE": one process judges silences at a time

_decode = msgspec.msgpack.Decoder(Norms).decode
_encode = msgspec.msgpack.Encoder().encode


class Sender(NamedTuple):
    """An institution with a kind of message that it sends; ``area`` is ``*`` for all areas."""

    area: str
    institution: str
    kind: str


class Unlearnt(msgspec.Struct, frozen=True):
    """A sender of whom it is to be learnt what is usual, with the first day on which anything was accepted."""

    sender: Sender
    first_day: date


class Silent(msgspec.Struct, frozen=True):
    """A sender who has sent nothing for as long as may be unusual at all."""

    sender: Sender
    norms: Norms
    last_at: datetime


class Mute(msgspec.Struct, frozen=True):
    """That nobody is told of a sender until a day is over, and why."""

    until: date
    by: str
    reason: str


class SenderRow(msgspec.Struct, frozen=True):
    """A sender as it is listed. ``expected``, ``received``, ``late`` and ``refused`` are messages of the day on which
    it is looked at; ``expected`` is ``None`` while it is learnt, ``first_day`` and ``last_at`` where nothing was
    accepted. ``unusual_from`` is told once a silence lasts as long as may be unusual at all. Of settlements it is told
    how many came in four weeks (``settled``), beside the encounters that were asked about before or during (``asked``).
    """

    sender: Sender
    name: str | None
    state: State
    first_day: date | None
    last_at: datetime | None
    expected: int | None
    received: int
    late: int
    refused: int
    unusual_from: datetime | None
    alarming_since: datetime | None
    settled: int | None
    asked: int | None
    mute: Mute | None

    @property
    def never_asked(self) -> bool:
        """Whether settlements came in four weeks, and no request at all."""
        return bool(self.settled) and not self.asked


class SenderFilter(msgspec.Struct, frozen=True):
    """Which senders: ``None`` means all."""

    state: State | None = None
    kind: str | None = None
    institution: str | None = None


class StateCount(msgspec.Struct, frozen=True):
    """How many senders of a kind stand so."""

    kind: str
    state: State
    senders: int


class Silence(msgspec.Struct, frozen=True):
    """How many senders stand how, and how many seconds ago it was known; ``None`` where it was never judged."""

    counts: list[StateCount]
    judged_seconds: float | None


async def find_silence(connection: Connection, now: datetime) -> Silence:
    """How all senders stand, for metrics and the doctor."""
    as_of = await find_as_of(connection)
    seconds = None if as_of is None else max(0.0, (now - as_of).total_seconds())
    return Silence(await count_states(connection, day_of(now)), seconds)


async def begin_judging(connection: Connection) -> bool:
    """Whether nobody else judges silences now; holds until the caller's transaction ends."""
    held: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", _JUDGING)
    return held


async def save_heard(connection: Connection, since: date) -> None:
    """Enters who sent since a day, and when they were heard of last. Whoever is heard of is silent no more."""
    await connection.execute(
        """
        insert into senders as s (area, institution, kind, first_day, last_at)
        select area, institution, kind, min(day) filter (where received > 0), max(last_at)
        from sendings where day >= $1 group by 1, 2, 3
        on conflict (area, institution, kind) do update set
            first_day = coalesce(s.first_day, excluded.first_day), last_at = excluded.last_at,
            unusual_from = null, alarming_since = null
        where excluded.last_at > s.last_at or (s.last_at is null and excluded.last_at is not null)
        """,
        since,
    )


async def find_unlearnt(connection: Connection, today: date, most: int) -> list[Unlearnt]:
    """Senders of whom it was not learnt today what is usual, locked; whoever is unusually silent now keeps what was
    learnt before."""
    rows = await connection.fetch(
        """
        select area, institution, kind, first_day from senders
        where first_day is not null and alarming_since is null and (learnt_on is null or learnt_on < $1)
        limit $2 for update skip locked
        """,
        today,
        most,
    )
    return [Unlearnt(Sender(*row[:3]), row["first_day"]) for row in rows]


async def load_hours(
    connection: Connection, senders: Sequence[Sender], since: date, until: date
) -> dict[Sender, list[Hour]]:
    """What was taken in of some senders, from a day on until before another."""
    rows = await connection.fetch(
        """
        select area, institution, kind, day, hour, received, minutes
        from unnest($1::text[], $2::text[], $3::text[]) as of (area, institution, kind)
        join sendings using (area, institution, kind)
        where day >= $4 and day < $5 and received > 0
        """,
        *_columns(senders),
        since,
        until,
    )
    found: dict[Sender, list[Hour]] = {sender: [] for sender in senders}
    for area, institution, kind, day, hour, received, minutes in rows:
        found[Sender(area, institution, kind)].append(Hour(day.toordinal(), hour, received, minutes))
    return found


async def save_norms(connection: Connection, found: Mapping[Sender, Norms | None], today: date) -> None:
    """Keeps what was learnt of senders today."""
    await connection.executemany(
        """
        update senders set learnt_on = $4, norms = $5, usual = $6, shortest = $7
        where area = $1 and institution = $2 and kind = $3
        """,
        [
            (*sender, today, None, None, None)
            if norms is None
            else (*sender, today, _encode(norms), list(norms.received), norms.shortest)
            for sender, norms in found.items()
        ],
    )


async def find_sent(connection: Connection, days: Sequence[date], before_hour: int) -> dict[Sender, dict[date, int]]:
    """What each sender sent on some days before an hour of them."""
    rows = await connection.fetch(
        """
        select area, institution, kind, day, sum(received)::int from sendings
        where day = any($1::date[]) and hour < $2 group by 1, 2, 3, 4
        """,
        days,
        before_hour,
    )
    found: dict[Sender, dict[date, int]] = {}
    for area, institution, kind, day, received in rows:
        found.setdefault(Sender(area, institution, kind), {})[day] = received
    return found


async def save_thin(connection: Connection, day: date, kinds: Iterable[str]) -> None:
    """Notes of which kinds a day is odd, and that of others it is not."""
    await connection.execute("delete from thin_days where day = $1 or day < $1 - 60", day)
    await connection.execute(
        "insert into thin_days (area, kind, day) select '*', kind, $1 from unnest($2::text[]) as kind", day, [*kinds]
    )


async def find_thin(connection: Connection, since: date) -> dict[str, set[Day]]:
    """The odd days of each kind, from a day on."""
    found: dict[str, set[Day]] = {}
    for row in await connection.fetch("select kind, day from thin_days where day >= $1", since):
        found.setdefault(row["kind"], set()).add(row["day"].toordinal())
    return found


async def find_silent(connection: Connection, at: datetime) -> list[Silent]:
    """Senders who were not heard of for as long as may be unusual of them at all."""
    rows = await connection.fetch(
        """
        select area, institution, kind, norms, last_at from senders
        where norms is not null and last_at <= $1::timestamptz - shortest * interval '1 minute'
        """,
        at,
    )
    return [Silent(Sender(*row[:3]), _decode(row["norms"]), row["last_at"]) for row in rows]


async def save_silences(
    connection: Connection, unusual_from: Mapping[Sender, datetime | None], as_of: datetime
) -> None:
    """Keeps from when on silences are unusual, which of them are by now, and up to when that is known."""
    await connection.execute(
        """
        update senders s set unusual_from = new.at, alarming_since = case when new.at <= $5::timestamptz then new.at end
        from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as new (area, institution, kind, at)
        where s.area = new.area and s.institution = new.institution and s.kind = new.kind
            and (s.unusual_from, s.alarming_since)
                is distinct from (new.at, case when new.at <= $5::timestamptz then new.at end)
        """,
        *_columns(unusual_from),
        [*unusual_from.values()],
        as_of,
    )
    await connection.execute(
        """
        insert into silence_judged as s (area, as_of) values ('*', $1)
        on conflict (area) do update set as_of = greatest(s.as_of, excluded.as_of)
        """,
        as_of,
    )


async def find_as_of(connection: Connection) -> datetime | None:
    """Up to when silences were judged last; ``None`` where they never were."""
    found: datetime | None = await connection.fetchval("select max(as_of) from silence_judged")
    return found


async def forget_strangers(connection: Connection, before: date) -> None:
    """Forgets senders of whom nothing was ever learnt, and nothing is kept any more: names that were made up."""
    await connection.execute(
        """
        delete from senders s where norms is null and muted_until is null
            and (last_at is null or last_at < $1::timestamp at time zone 'Asia/Shanghai')
            and not exists (
                select from sendings p
                where p.area = s.area and p.institution = s.institution and p.kind = s.kind)
        """,
        before,
    )


_STATE = """
    case when s.muted_until >= $1 then 'muted' when s.norms is null then 'learning'
        when s.alarming_since is not null then 'quiet' else 'usual' end
"""

_ORDER = "array_position(array['quiet', 'usual', 'learning', 'muted'], state)"


async def count_states(connection: Connection, today: Day, sight: Sight | None = None) -> list[StateCount]:
    """How many senders of each kind stand how; of those in sight, where one is given."""
    rows = await connection.fetch(
        f"""
        select kind, {_STATE} as state, count(*) as senders from senders s
        where $2::text[] is null or s.institution = any($2::text[]) group by 1, 2 order by 1, 2
        """,
        date.fromordinal(today),
        _institutions(sight),
    )
    return [StateCount(**row) for row in rows]


async def find_senders(
    connection: Connection, chosen: SenderFilter, sight: Sight, offset: int, most: int
) -> list[SenderRow]:
    """Senders that a filter chooses: first those who are quiet, of these the ones that are so longest."""
    rows = await connection.fetch(
        f"""
        with listed as (
            select s.*, {_STATE} as state from senders s
            where ($2::text[] is null or s.institution = any($2::text[]))
                and ($3::text is null or s.kind = $3) and ($4::text is null or s.institution = $4))
        select l.area, l.institution, l.kind, i.name, l.state, l.first_day, l.last_at,
            l.usual[extract(isodow from $1::date)::int] as expected,
            coalesce(t.received, 0)::int as received, coalesce(t.late, 0)::int as late,
            coalesce(t.refused, 0)::int as refused, l.unusual_from, l.alarming_since,
            w.settled, w.asked, l.muted_until, l.muted_by, l.muted_reason
        from listed l left join institutions i using (institution) left join lateral (
            select sum(received) as received, sum(late) as late, sum(refused) as refused from sendings p
            where p.area = l.area and p.institution = l.institution and p.kind = l.kind and p.day = $1::date) t on true
        left join lateral (
            select coalesce(sum(received) filter (where p.kind = $8), 0)::int as settled,
                coalesce(sum(received) filter (where p.kind = any($9::text[])), 0)::int as asked
            from sendings p
            where l.kind = $8 and p.area = l.area and p.institution = l.institution
                and p.kind = any($9::text[] || $8::text) and p.day > $1::date - 28) w on l.kind = $8
        where $5::text is null or l.state = $5
        order by {_ORDER}, alarming_since, institution, kind, area offset $6 limit $7
        """,
        date.fromordinal(sight.today),
        _institutions(sight),
        chosen.kind,
        chosen.institution,
        chosen.state,
        offset,
        most,
        CLAIM,
        [BEFORE, DURING],
    )
    return [_row_of(row) for row in rows]


def _row_of(row: asyncpg.Record) -> SenderRow:
    is_muted = row["state"] == "muted"
    return SenderRow(
        sender=Sender(row["area"], row["institution"], row["kind"]),
        mute=Mute(row["muted_until"], row["muted_by"], row["muted_reason"]) if is_muted else None,
        **{name: row[name] for name in SenderRow.__struct_fields__ if name not in ("sender", "mute")},
    )


async def find_sender_kinds(connection: Connection) -> list[str]:
    """Every kind of message that anybody sends."""
    return [row["kind"] for row in await connection.fetch("select distinct kind from senders order by kind")]


async def save_mute(connection: Connection, sender: Sender, mute: Mute) -> bool:
    """Mutes a sender; whether there is one."""
    return await _update(
        connection,
        "update senders set muted_until = $4, muted_by = $5, muted_reason = $6",
        sender,
        mute.until,
        mute.by,
        mute.reason,
    )


async def delete_mute(connection: Connection, sender: Sender) -> bool:
    """Has a sender told of again; whether it was muted."""
    return await _update(
        connection,
        "update senders set muted_until = null, muted_by = null, muted_reason = null",
        sender,
        and_so="and muted_until is not null",
    )


async def _update(connection: Connection, change: str, sender: Sender, *values: object, and_so: str = "") -> bool:
    where = f"where area = $1 and institution = $2 and kind = $3 {and_so}"
    done: str = await connection.execute(f"{change} {where}", *sender, *values)
    return done != "UPDATE 0"


def _columns(senders: Iterable[Sender]) -> tuple[list[str], list[str], list[str]]:
    listed = list(senders)
    return [of.area for of in listed], [of.institution for of in listed], [of.kind for of in listed]


def _institutions(sight: Sight | None) -> list[str] | None:
    return None if sight is None or sight.institutions is None else sorted(sight.institutions)
