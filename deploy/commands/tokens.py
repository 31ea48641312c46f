"""Commands on tokens of machines: add, list, revoke."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from api.access.bearers import new_key_id, new_token, token_hash
from api.frame.formats import CHINA, instant
from casework.rights import Right
from casework.tokens import SCOPES, Token, is_name
from deploy.commands.output import (
    By,
    Failure,
    Json,
    Opened,
    acting,
    codes_told,
    named,
    note,
    print_json,
    print_table,
    run,
    say,
)
from streams.acts.tokens import give_token, revoke_token
from streams.store.people import tokens
from streams.store.sessions import borrowed

_LASTS = timedelta(days=365)

Name = Annotated[str, typer.Argument(help="名称 / what the token is called")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="接口令牌 / tokens of machines")
    group.command()(add)
    group.command("list")(list_tokens)
    group.command()(revoke)
    app.add_typer(group, name="tokens")


def add(
    name: Name,
    right: Annotated[
        list[Right] | None,
        typer.Option(
            "--right", help="see | see_trials | see_operation | ask (医院网关 / the gateway), 默认 see / by default see"
        ),
    ] = None,
    area: Annotated[list[str] | None, typer.Option("--area", metavar="CODE", help="统筹区 / an area, else all")] = None,
    institution: Annotated[
        list[str] | None, typer.Option("--institution", metavar="CODE", help="机构 / an institution, else all")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="到期日, 默认一年 / its last day, else a year on")
    ] = None,
    by: By = None,
) -> None:
    """发给系统一个令牌, 只显示一次 / give a machine a token for the interface; it is shown once.

    Example: fundwatch tokens add hospital-7 --institution H42028100001 --until 2027-06-30
    """
    if not is_name(name):
        raise Failure("名称是一个可见的词，最多 64 字 / a name is one word of visible signs, 64 at most")
    rights = frozenset(right or (Right.SEE,))
    if beyond := rights - set(SCOPES):
        may = ", ".join(SCOPES)
        raise Failure(f"--right {min(beyond)}: 令牌不能 / a token may have: {may}")
    if Right.ASK in rights and (rights != {Right.ASK} or not institution):
        raise Failure(
            "--right ask: 只能单独给, 且要写明机构 / stands alone and names the institutions that it speaks for"
        )
    ends_at = _end_of(until) if until else datetime.now(UTC) + _LASTS
    if ends_at <= datetime.now(UTC):
        raise Failure("--until: 已经过去 / lies in the past")
    key_id = new_key_id() if Right.ASK in rights else None
    token = Token(name, rights, ends_at, acting(by), named(area), named(institution), key_id=key_id)
    secret = run(_add(token))
    if key_id is not None:
        note(f"访问标识, 签名时放在请求头 / the key's id, for the head of signed requests: {key_id}")
        note("密钥 (只显示这一次), 签名所用; 不签名时放在 Authorization: Bearer 之后")
        note("the secret (shown once), to sign with, or sent as a bearer token:")
    else:
        note(
            "令牌（只显示这一次），请求时放在 Authorization: Bearer 之后"
            " / the token (shown once), sent as a bearer token:"
        )
    say(secret)


async def _add(token: Token) -> str:
    secret = new_token()
    async with Opened() as service, borrowed(service.pool) as connection:
        sealed = None if token.key_id is None else service.vault.seal(secret.encode())
        if not await give_token(connection, token, token_hash(secret), sealed):
            raise Failure(f"已有或曾有这个名称的令牌 / there is or was a token of that name: {token.name}")
    return secret


def list_tokens(json: Json = False) -> None:
    """列出令牌, 含范围、到期与最近使用 / list the tokens with what they may do, their end and last use.

    Example: fundwatch tokens list --json
    """
    found = run(_list())
    if json:
        print_json([_told(token) for token in found])
        return
    print_table(
        f"令牌 / tokens: {len(found):,}",
        (
            "名称 name",
            "可做 may",
            "统筹区 areas",
            "机构 institutions",
            "到期 ends",
            "最近使用 last use",
            "撤销 revoked",
            "访问标识 key id",
        ),
        [
            (
                of.name,
                ", ".join(sorted(of.rights)),
                codes_told(of.areas),
                codes_told(of.institutions),
                instant(of.ends_at),
                instant(of.used_at) if of.used_at else "",
                instant(of.revoked_at) if of.revoked_at else "",
                of.key_id or "",
            )
            for of in found
        ],
        right=8,
    )


async def _list() -> list[Token]:
    async with Opened() as service, borrowed(service.pool) as connection:
        return await tokens.find_tokens(connection)


def revoke(name: Name, by: By = None) -> None:
    """撤销令牌, 立即生效 / end a token at once.

    Example: fundwatch tokens revoke hospital-7
    """
    run(_revoke(name, acting(by)))
    note("令牌已撤销 / the token is revoked")


async def _revoke(name: str, by: str) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        if not await revoke_token(connection, name, by):
            raise Failure(f"没有这个令牌 / no such token: {name}")


def _end_of(day: datetime) -> datetime:
    """The end of a civil day in China."""
    return (day + timedelta(days=1)).replace(tzinfo=CHINA).astimezone(UTC)


def _told(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "rights": sorted(token.rights),
        "areas": None if token.areas is None else sorted(token.areas),
        "institutions": None if token.institutions is None else sorted(token.institutions),
        "ends_at": token.ends_at,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "used_at": token.used_at,
        "revoked_at": token.revoked_at,
        "key_id": token.key_id,
    }
