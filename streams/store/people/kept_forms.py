"""Forms that were not taken: what somebody typed, for a week, and for nobody else."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from streams.store.sessions import Connection

KEPT = timedelta(days=7)
MOST = 50
"""Forms of one log-in that are kept; the oldest go first."""


class KeptForm(NamedTuple):
    """Where a form was sent, what its fields held, and why it was not taken: a key of the texts ``problems``.

    ``name`` is what its page's address calls it.
    """

    name: str
    form: str
    words: Mapping[str, str]
    problem: str


async def save_form(connection: Connection, login: str, page: str, kept: KeptForm) -> None:
    """Keeps a form, whose name nobody can guess; ``page`` is the one that holds it."""
    words = json.dumps({_storable(field): _storable(text) for field, text in kept.words.items()})
    async with connection.transaction():
        await connection.execute(
            "insert into kept_forms (name, login, page, form, words, problem) values ($1, $2, $3, $4, $5, $6)",
            kept.name,
            login,
            page,
            kept.form,
            words,
            kept.problem,
        )
        await delete_old_forms(connection)
        await connection.execute(
            """
            delete from kept_forms where login = $1 and name not in (
                select name from kept_forms where login = $1 order by kept_at desc, name limit $2)
            """,
            login,
            MOST,
        )


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL."""
    return text.replace("\x00", "\ufffd")


async def find_form(connection: Connection, name: str, login: str, page: str) -> KeptForm | None:
    """A form that somebody sent from a page before; ``None`` where it is another's, or of another page."""
    row = await connection.fetchrow(
        "select form, words, problem from kept_forms where name = $1 and login = $2 and page = $3", name, login, page
    )
    return None if row is None else KeptForm(name, row["form"], json.loads(row["words"]), row["problem"])


async def delete_old_forms(connection: Connection) -> None:
    """Forgets what was kept for long enough."""
    await connection.execute("delete from kept_forms where kept_at < now() - $1::interval", KEPT)


async def delete_form(connection: Connection, name: str, login: str) -> None:
    """Forgets what somebody's form said, once it was taken."""
    await connection.execute("delete from kept_forms where name = $1 and login = $2", name, login)
