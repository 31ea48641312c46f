"""Commands on log-ins: password."""

import sys
from typing import Annotated

import typer

from deploy.commands.output import Failure, Opened, note, run
from streams.store.sessions import borrowed

Login = Annotated[str, typer.Argument(help="用户名 / log-in")]


def register(app: typer.Typer) -> None:
    app.command()(password)


def password(login: Login) -> None:
    """设置新密码 (键盘或管道), 原有登录随即失效 / set a new password, typed or piped; ends its sessions.

    Example: fundwatch password inspector
    """
    from api.access.passwords import SHORTEST_PASSWORD, normal

    word = typed_password()
    if len(normal(word)) < SHORTEST_PASSWORD:
        raise Failure(f"密码至少 {SHORTEST_PASSWORD} 个字符 / a password has at least {SHORTEST_PASSWORD} characters")
    run(_password(login, word))


def typed_password() -> str:
    """What somebody types twice without seeing it, or the first line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    word: str = typer.prompt(
        "新密码 / new password", hide_input=True, confirmation_prompt="再一次 / once more", err=True
    )
    return word


async def _password(login: str, word: str) -> None:
    from api.access.sessions import set_password

    async with Opened() as service, borrowed(service.pool) as connection:
        if not await set_password(connection, login, word):
            raise Failure(f"没有这个用户名 / no such log-in: {login}")
    note("新密码已生效，请重新登录 / the new password holds; sign in again")
