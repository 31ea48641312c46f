"""Giving machines tokens, and ending them: each noted in the audit log."""

from casework.audit import Act
from casework.tokens import Token
from streams.store.people import audit, tokens
from streams.store.sessions import Connection


async def give_token(
    connection: Connection, token: Token, token_hash: bytes, sealed_secret: bytes | None = None
) -> bool:
    """Keeps a token, sealed as well where something is signed with it; false where there is or was one of that name."""
    async with connection.transaction():
        if not await tokens.save_token(connection, token, token_hash, sealed_secret):
            return False
        said = {"name": token.name, "rights": " ".join(sorted(token.rights)), "ends_at": token.ends_at.isoformat()}
        await audit.note(connection, token.created_by, Act.GAVE_TOKEN, **said)
    return True


async def revoke_token(connection: Connection, name: str, by: str) -> bool:
    """Ends a token at once; false where there is none of that name."""
    async with connection.transaction():
        if not await tokens.revoke_token(connection, name):
            return False
        await audit.note(connection, by, Act.REVOKED_TOKEN, name=name)
    return True
