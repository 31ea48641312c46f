"""Tokens of machines. Time is the database's."""

from datetime import timedelta

import asyncpg

from casework.rights import Right
from casework.tokens import Key, Token
from streams.store.people.users import listed, named

USE_NOTED = timedelta(minutes=1)
"""How exactly the last use of a token is known: it is written no more often."""

_TOKEN = "name, rights, ends_at, created_by, areas, institutions, created_at, revoked_at, used_at, key_id"


def _token(row: asyncpg.Record) -> Token:
    """Rights of a later release give nothing here."""
    words = dict(row) | {
        "rights": frozenset(Right(right) for right in row["rights"] if right in set(Right)),
        "areas": named(row["areas"]),
        "institutions": named(row["institutions"]),
    }
    return Token(**words)


async def save_token(
    connection: asyncpg.Connection, token: Token, token_hash: bytes, sealed_secret: bytes | None = None
) -> bool:
    """Keeps a token, sealed as well where something is signed with it; false where there is or was one of that name."""
    status = await connection.execute(
        """
        insert into tokens
            (name, token_hash, rights, areas, institutions, ends_at, created_by, key_id, sealed_secret)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (name) do nothing
        """,
        token.name,
        token_hash,
        sorted(token.rights),
        listed(token.areas),
        listed(token.institutions),
        token.ends_at,
        token.created_by,
        token.key_id,
        sealed_secret,
    )
    return bool(status == "INSERT 0 1")


async def find_tokens(connection: asyncpg.Connection) -> list[Token]:
    """Every token, those that can be used first."""
    rows = await connection.fetch(
        f"select {_TOKEN} from tokens order by revoked_at is not null or ends_at <= now(), name"
    )
    return [_token(row) for row in rows]


async def use_token(connection: asyncpg.Connection, token_hash: bytes) -> Token | None:
    """The token of a hash, its use noted; ``None`` where there is none that may be used (any more)."""
    row = await connection.fetchrow(
        f"select {_TOKEN} from tokens where token_hash = $1 and revoked_at is null and ends_at > now()", token_hash
    )
    if row is None:
        return None
    await connection.execute(
        """
        update tokens set used_at = now()
        where token_hash = $1 and (used_at is null or used_at < now() - $2::interval)
        """,
        token_hash,
        USE_NOTED,
    )
    return _token(row)


async def find_keys(connection: asyncpg.Connection) -> dict[bytes, Key]:
    """What hospitals' systems may ask with at this moment, by the hash of the token."""
    rows = await connection.fetch(
        """
        select token_hash, institutions, ends_at, key_id, sealed_secret from tokens
        where $1 = any(rights) and institutions is not null and revoked_at is null and ends_at > now()
        """,
        Right.ASK,
    )
    return {
        row["token_hash"]: Key(frozenset(row["institutions"]), row["ends_at"], row["key_id"], row["sealed_secret"])
        for row in rows
    }


async def revoke_token(connection: asyncpg.Connection, name: str) -> bool:
    """Ends a token at once; false where there is none of that name. One that was ended stays so, since then."""
    status = await connection.execute(
        "update tokens set revoked_at = coalesce(revoked_at, now()) where name = $1", name
    )
    return bool(status == "UPDATE 1")
