"""The command on the SM2 key to which hospitals' systems seal the keys of their sessions (9001): sign-in-key."""

from typing import Annotated

import typer

from deploy.commands.output import Failure, Json, note, print_json, say
from deploy.settings import load_settings, load_sign_in_keys, save_sign_in_keys
from streams.messages.guomi import is_private_key, new_private_key, public_half

_KEPT = 2
"""Private keys that are understood: the newest one, and the one before, until every system seals to the newest."""


def register(app: typer.Typer) -> None:
    app.command("sign-in-key")(sign_in_key)


def sign_in_key(
    new: Annotated[
        bool,
        typer.Option("--new", help="新生成一个, 上一个继续有效 / make a new one; the one before goes on being good"),
    ] = False,
    json: Json = False,
) -> None:
    """医院会话密钥所用的 SM2 公钥, 最新在前 / the public halves of the SM2 key to which hospitals seal session keys.

    Example: fundwatch sign-in-key --new
    """
    settings = load_settings()
    keys = load_sign_in_keys(settings)
    if not all(is_private_key(key) for key in keys):
        raise Failure("FUNDWATCH_SIGN_IN_KEYS: 不是SM2私钥 / no private key of SM2")
    if new:
        keys = (new_private_key(), *keys)[:_KEPT]
        if settings.sign_in_keys is None:
            save_sign_in_keys(settings, keys)
            note(f"私钥已写入 / the private key is in: {settings.sign_in_key_file}")
        else:
            note("请设置 (秘密, 只显示这一次) / to be set (secret, shown once): FUNDWATCH_SIGN_IN_KEYS")
            note(",".join(key.hex() for key in keys))
        note("网关重新启动后生效 / gateways take it up when they start again")
    if not keys:
        raise Failure("还没有密钥, 用 --new 生成 / there is no key yet; --new makes one")
    halves = [public_half(key).hex() for key in keys]
    if json:
        print_json({"public_keys": halves})
        return
    note("公钥, 最新在前 / the public half, the newest first:")
    for half in halves:
        say(half)
