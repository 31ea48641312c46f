"""What institutions answered, as stored: files that were read in, answers to lines, and rows that were refused."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec

from casework.answers import Misfit, Position, ReadIn, Refusal
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.messages.versions import decode_version
from streams.store.casework.holders import Place
from streams.store.casework.lists import ASKED_ABOUT, ORDER
from streams.store.casework.queue import Lead
from streams.store.sights import SHOWN, sight_arguments


class AnswerFile(msgspec.Struct, frozen=True):
    """A file that was read in, and what its rows came to; ``read_at`` is UTC."""

    file: int
    read_by: str
    read_at: datetime
    agreed: int
    disputed: int
    blank: int
    refused: int


class Summary(msgspec.Struct, frozen=True):
    """How the lines that count today are answered; ``outdated`` answers were given to an earlier version."""

    lines: int
    agreed: int
    disputed: int
    outdated: int

    @property
    def open(self) -> int:
        """Lines to which nothing was said."""
        return self.lines - self.agreed - self.disputed - self.outdated


class GivenAnswer(msgspec.Struct, frozen=True):
    """The answer that holds for a line, who read it in, and when (UTC)."""

    finding_id: str
    line: str
    version: int
    position: Position
    remark: str
    read_by: str
    read_at: datetime


_COLUMNS = "file, read_by, read_at, agreed, disputed, blank, refused"

# The last answer to each line of some findings (``counted``).
_HELD = """
    select distinct on (a.finding_id, a.line) a.finding_id, a.line, a.version, a.position, a.remark, a.area, a.file
    from answers a where a.area = $4 and a.finding_id in (select finding_id from counted)
    order by a.finding_id, a.line, a.file desc
"""
_COUNTED = f"""
    select f.area, f.finding_id, f.version, f.severity, f.rule_id, f.last_day
    from {SHOWN} where {ASKED_ABOUT}
"""


async def find_same(connection: asyncpg.Connection, place: Place, hash: bytes) -> AnswerFile | None:
    """The file of these bytes, where it was read in for this lead before."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from answer_files where area = $1 and lead_id = $2 and hash = $3",
        place.area,
        place.lead_id,
        hash,
    )
    return None if row is None else AnswerFile(**row)


async def save_file(connection: asyncpg.Connection, place: Place, hash: bytes, by: str, read: ReadIn) -> AnswerFile:
    """Adds a file with its answers and refused rows, in the transaction that holds the lead."""
    row = await connection.fetchrow(
        f"""
        insert into answer_files (area, lead_id, hash, read_by, agreed, disputed, blank, refused)
        values ($1, $2, $3, $4, $5, $6, $7, $8) returning {_COLUMNS}
        """,
        place.area,
        place.lead_id,
        hash,
        by,
        read.count(Position.AGREED),
        read.count(Position.DISPUTED),
        read.blank,
        len(read.refusals),
    )
    assert row is not None
    kept = AnswerFile(**row)
    await connection.copy_records_to_table(
        "answers",
        records=[
            (place.area, a.finding_id, a.line, kept.file, a.version, a.position.value, a.remark) for a in read.answers
        ],
        columns=("area", "finding_id", "line", "file", "version", "position", "remark"),
    )
    await connection.copy_records_to_table(
        "refused_answers",
        records=[(place.area, kept.file, refusal.row, refusal.misfit.value) for refusal in read.refusals],
        columns=("area", "file", "row", "misfit"),
    )
    return kept


async def find_files(connection: asyncpg.Connection, lead: Lead, most: int) -> list[AnswerFile]:
    """The files that were read in for a lead in sight, the last first."""
    rows = await connection.fetch(
        f"select {_COLUMNS} from answer_files where area = $1 and lead_id = $2 order by file desc limit $3",
        lead.area,
        lead.lead_id,
        most,
    )
    return [AnswerFile(**row) for row in rows]


async def find_file(connection: asyncpg.Connection, lead: Lead, file: int) -> AnswerFile | None:
    """A file that was read in for a lead in sight."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from answer_files where area = $1 and lead_id = $2 and file = $3",
        lead.area,
        lead.lead_id,
        file,
    )
    return None if row is None else AnswerFile(**row)


async def find_refused(connection: asyncpg.Connection, lead: Lead, file: int, offset: int, limit: int) -> list[Refusal]:
    """Rows of a file that were refused, from the top."""
    rows = await connection.fetch(
        "select row, misfit from refused_answers where area = $1 and file = $2 order by row offset $3 limit $4",
        lead.area,
        file,
        offset,
        limit,
    )
    return [Refusal(row["row"], Misfit(row["misfit"])) for row in rows]


async def find_summary(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> Summary:
    """How the lines of a lead are answered; a finding without lines counts as one."""
    row = await connection.fetchrow(
        f"""
        with counted as ({_COUNTED}), held as ({_HELD}), lines as (
            select c.finding_id, c.version, coalesce(l.line, '') as line
            from counted c left join lead_lines l using (area, finding_id)
        )
        select count(*) as lines,
            count(*) filter (where h.version = n.version and h.position = 'agreed') as agreed,
            count(*) filter (where h.version = n.version and h.position = 'disputed') as disputed,
            count(*) filter (where h.version <> n.version) as outdated
        from lines n left join held h using (finding_id, line)
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    assert row is not None
    return Summary(**row)


async def count_answered(connection: asyncpg.Connection, lead: Lead, sight: Sight) -> int:
    """How many findings that count have an answer."""
    found: int = await connection.fetchval(
        f"with counted as ({_COUNTED}), held as ({_HELD}) select count(distinct finding_id) from held",
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
    )
    return found


async def find_answered(
    connection: asyncpg.Connection, lead: Lead, sight: Sight, offset: int, limit: int
) -> list[FindingVersion]:
    """Findings that count and have an answer: those with a line in dispute first, then in the order of the list."""
    rows = await connection.fetch(
        f"""
        with counted as ({_COUNTED}), held as ({_HELD}), answered as (
            select finding_id, bool_or(position = 'disputed') as disputed from held group by finding_id
        )
        select b.body from counted f join answered using (finding_id)
        join lead_findings b on b.area = f.area and b.finding_id = f.finding_id
        order by answered.disputed desc, {ORDER} offset $6 limit $7
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
        offset,
        limit,
    )
    return [decode_version(row["body"]) for row in rows]


async def find_answers(
    connection: asyncpg.Connection, lead: Lead, sight: Sight, finding_ids: Collection[str]
) -> dict[tuple[str, str], GivenAnswer]:
    """The answers that hold for the lines of some findings of a lead, by finding and line."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        f"""
        with counted as ({_COUNTED} and f.finding_id = any($6::text[])), held as ({_HELD})
        select h.finding_id, h.line, h.version, h.position, h.remark, o.read_by, o.read_at
        from held h join answer_files o using (area, file)
        """,
        *sight_arguments(sight),
        lead.area,
        lead.lead_id,
        list(finding_ids),
    )
    answers = [GivenAnswer(**{**row, "position": Position(row["position"])}) for row in rows]
    return {(answer.finding_id, answer.line): answer for answer in answers}
