"""Commands on people: accounts with their roles, and where each may look."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from msgspec.structs import replace

from api.frame.formats import instant
from api.frame.texts import LANGUAGES, load_texts
from casework.accounts import Account, AccountRefused
from casework.rights import RIGHTS_OF, Role
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
from streams.acts import accounts
from streams.acts.accounts import AccountUnknown
from streams.store.people import users
from streams.store.sessions import Connection, borrowed

Done = TypeVar("Done")

Login = Annotated[str, typer.Argument(help="用户名 / log-in")]
Roles = Annotated[list[Role] | None, typer.Option("--role", help="角色, 可多次 / a role, may be repeated")]
Areas = Annotated[
    list[str] | None,
    typer.Option("--area", metavar="CODE", help="统筹区, 可多次; 不写为全部 / an area, else all"),
]
Institutions = Annotated[
    list[str] | None,
    typer.Option("--institution", metavar="CODE", help="机构, 可多次; 不写为全部 / institutions, else all"),
]


def register(app: typer.Typer) -> None:
    people = typer.Typer(no_args_is_help=True, help="账号 / accounts")
    people.command()(add)
    people.command("list")(list_accounts)
    people.command()(roles)
    people.command()(disable)
    people.command()(enable)
    people.command()(password)
    people.command("sign-out")(sign_out)
    app.add_typer(people, name="people")


def add(
    login: Login,
    role: Roles = None,
    name: Annotated[str, typer.Option(help="姓名 / what somebody is called")] = "",
    area: Areas = None,
    institution: Institutions = None,
    by: By = None,
) -> None:
    """开立账号, 显示一次初始密码 / give somebody an account; its password is shown once.

    Example: fundwatch people add wang.li --name 王莉 --role inspector --area 420281
    """
    account = Account(login, name, frozenset(role or ()), named(area), named(institution))

    async def work(connection: Connection) -> str:
        from api.access.passwords import hash_of
        from api.access.sessions import new_password

        word = new_password()
        await accounts.open_account(connection, account, await hash_of(word), acting(by))
        return word

    word = run(_on_store(login, work))
    note(
        "初始密码（只显示这一次），首次登录时要换成自己的 / password (shown once), to be changed at the first sign-in:"
    )
    say(word)


def list_accounts(json: Json = False) -> None:
    """列出账号 / list the accounts, the open ones first.

    Example: fundwatch people list --json
    """
    found = run(_on_store("", users.find_accounts))
    if json:
        print_json([_told(account) for account in found])
        return
    print_table(
        f"账号 / accounts: {len(found):,}",
        ("用户名 log-in", "姓名 name", "角色 roles", "统筹区 areas", "机构 institutions", "停用 disabled"),
        [
            (
                of.login,
                of.name,
                ", ".join(sorted(of.roles)),
                codes_told(of.areas),
                codes_told(of.institutions),
                instant(of.disabled_at) if of.disabled_at else "",
            )
            for of in found
        ],
        right=6,
    )


def roles(
    login: Annotated[str | None, typer.Argument(help="用户名; 不写则列出角色 / log-in; without it, the roles")] = None,
    role: Roles = None,
    name: Annotated[str | None, typer.Option(help="姓名 / another name")] = None,
    area: Areas = None,
    institution: Institutions = None,
    all_areas: Annotated[bool, typer.Option("--all-areas", help="看全部统筹区 / may see all pooling areas")] = False,
    all_institutions: Annotated[
        bool, typer.Option("--all-institutions", help="看全部机构 / may see all institutions")
    ] = False,
    by: By = None,
) -> None:
    """改账号的角色与可见范围, 立即生效; 不写用户名则列出角色 / change what an account may do and see, or list roles.

    What is not named stays as it is. Example: fundwatch people roles wang.li --role inspector --role reviewer
    """
    if login is None:
        _print_roles()
        return

    async def work(connection: Connection) -> Account:
        async with connection.transaction():
            account = await users.find_account(connection, login, to_change=True)
            if account is None:
                raise AccountUnknown
            changed = replace(
                account,
                name=account.name if name is None else name,
                roles=frozenset(role) if role else account.roles,
                areas=None if all_areas else named(area) or account.areas,
                institutions=None if all_institutions else named(institution) or account.institutions,
            )
            return await accounts.change_account(connection, changed, acting(by))

    account = run(_on_store(login, work))
    may_see = f"{codes_told(account.areas)}; {codes_told(account.institutions)}"
    say(f"{account.login}: {', '.join(sorted(account.roles))}; {may_see}")


def disable(login: Login, by: By = None) -> None:
    """停用账号, 其登录随即失效; 账号与决定保留 / close an account: nobody signs in with it, its decisions stay.

    Example: fundwatch people disable wang.li
    """
    run(_on_store(login, lambda connection: accounts.close_account(connection, login, acting(by))))
    note("账号已停用，可用 people enable 恢复 / the account is closed; `people enable` opens it again")


def enable(login: Login, by: By = None) -> None:
    """恢复停用的账号 / open a closed account again, with the password of before.

    Example: fundwatch people enable wang.li
    """
    run(_on_store(login, lambda connection: accounts.reopen_account(connection, login, acting(by))))
    note("账号已恢复 / the account is open again")


def password(login: Login, by: By = None) -> None:
    """设置新密码 (键盘或管道), 原有登录随即失效 / set a new password, typed or piped; ends its sessions.

    Example: fundwatch people password inspector
    """
    from api.access.passwords import SHORTEST_PASSWORD, hash_of, normal

    word = typed_password()
    if len(normal(word).strip()) < SHORTEST_PASSWORD:
        raise Failure(f"密码至少 {SHORTEST_PASSWORD} 个字符 / a password has at least {SHORTEST_PASSWORD} characters")

    async def work(connection: Connection) -> None:
        await accounts.set_password(connection, login, await hash_of(word), acting(by))

    run(_on_store(login, work))
    note("新密码已生效，登录后要先换成自己的 / the new password holds; another is to be chosen at the first sign-in")


def sign_out(login: Login, by: By = None) -> None:
    """使一个账号在各处退出 / sign somebody out everywhere.

    Example: fundwatch people sign-out wang.li
    """
    run(_on_store(login, lambda connection: accounts.sign_out_everywhere(connection, login, acting(by))))
    note("已在各处退出 / signed out everywhere")


def typed_password() -> str:
    """What somebody types twice without seeing it, or the first line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    word: str = typer.prompt(
        "新密码 / new password", hide_input=True, confirmation_prompt="再一次 / once more", err=True
    )
    return word


async def _on_store(login: str, work: Callable[[Connection], Awaitable[Done]]) -> Done:
    """What work on a connection gives; what keeps it from being done becomes a ``Failure``."""
    async with Opened() as service, borrowed(service.pool) as connection:
        try:
            return await work(connection)
        except AccountUnknown:
            raise Failure(f"没有这个用户名 / no such log-in: {login}") from None
        except AccountRefused as refused:
            texts = [load_texts(lang)(f"problems.account_{refused.why}") for lang in LANGUAGES]
            raise Failure(" / ".join(texts)) from None


def _print_roles() -> None:
    zh = load_texts("zh")
    print_table(
        "角色 / roles",
        ("角色 role", "", "可做 may"),
        [(role, zh(f"roles.{role}"), ", ".join(sorted(rights))) for role, rights in RIGHTS_OF.items()],
        right=3,
    )


def _told(account: Account) -> dict[str, Any]:
    return {
        "login": account.login,
        "name": account.name,
        "roles": sorted(account.roles),
        "areas": None if account.areas is None else sorted(account.areas),
        "institutions": None if account.institutions is None else sorted(account.institutions),
        "disabled_at": account.disabled_at,
    }
