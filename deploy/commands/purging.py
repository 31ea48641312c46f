"""The command that purges dead letters: written to a file that is safe on the disk first, then taken away."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, acting, counted, print_json, run, say
from knowledge_base.signs import neutral
from streams.acts import purging
from streams.acts.purging import SealedOtherwise
from streams.hosts.service import Service
from streams.store.intake import purges
from streams.store.intake.dead_letters import Count
from streams.store.sessions import Connection, borrowed


def purge(
    of: Annotated[str, typer.Option("--import", metavar="NAME", help="来源名 / the name in the ledger")],
    export: Annotated[Path, typer.Option(help="先写入的新文件 / the new file that they are written to first")],
    by: Annotated[str | None, typer.Option(help="由谁清除, 默认系统用户 / who purges, by default the user")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / without asking")] = False,
    json: Json = False,
) -> None:
    """导出并清除一次导入留下的死信, 不能撤销 / write out what an import left, then take it away for good.

    Example: fundwatch dead-letters purge --import wrong.jsonl --export wrong-letters.jsonl
    """
    run(_purge(of, export, acting(by), yes, json))


class Purged(msgspec.Struct, frozen=True):
    """What ``dead-letters purge --json`` prints; ``purge`` is ``None`` where there was nothing to take away."""

    source: str
    purge: purges.Purge | None
    left: int


async def _purge(of: str, path: Path, by: str, yes: bool, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        source = await find_source(connection, of)
        begun = await _begun(connection, source, path)
        count = await purging.count_of(connection, source)
        if begun is None and not count.letters:
            done = None
        else:
            _require_consent(source, path, count, yes)
            number = begun or await _export(service, connection, source, path, by)
            done = await purging.take_away(connection, number, _written(path), by)
        left = (await purging.count_of(connection, source)).letters
    if json:
        print_json(Purged(source, done, left))
    else:
        _show(source, path, done, left)


async def _begun(connection: Connection, source: str, path: Path) -> int | None:
    """The purge that wrote this file and stopped on its way; ``None`` where the file is to be made."""
    if not os.path.lexists(path):
        return None
    try:
        number = await purges.find_unfinished(connection, source, _hash_of(path)) if path.is_file() else None
    except PermissionError:
        number = None
    if number is None:
        raise _exists(path)
    return number


def _exists(path: Path) -> Failure:
    return Failure(f"文件已存在，请另取名 / this file exists, choose another name: {path}")


async def find_source(connection: Connection, of: str) -> str:
    """The source of a name as it is kept, also where it is told as a terminal shows it. ``Failure`` for one of none."""
    known = await purges.find_names(connection)
    source = of if of in known else next((name for name in known if neutral(name) == neutral(of)), None)
    if source is None:
        near = ", ".join(get_close_matches(neutral(of), known, 3, 0.5))
        others = f"相近的有 / near it: {near}" if near else "fundwatch reconcile 列出来源 / lists the names"
        raise Failure(f"没有这个来源 / no such import: {neutral(of)}; {others}")
    return source


def _require_consent(source: str, path: Path, count: Count, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("没有终端可以询问，确定清除请加 --yes / there is no terminal to ask on: --yes purges")
    replayed = count.letters - count.left
    question = (
        f"来源 {source} (同名的各次导入都算在内): {count.letters:,} 条死信, 其中 {replayed:,} 条已重放;"
        f" 写入 {path} 后删除, 不能撤销。继续? / of everything imported under this name"
        f" {counted(count.letters, 'dead letter is', 'dead letters are')} written to that file and then taken away for"
        f" good, {replayed:,} of which had been replayed. Go on?"
    )
    if not typer.confirm(neutral(question), err=True):
        raise Failure("没有清除 / nothing was purged")


async def _export(service: Service, connection: Connection, source: str, path: Path, by: str) -> int:
    number = await purging.begin(connection, source, by, neutral(path.name))
    letters, hash = 0, hashlib.sha256()
    try:
        async with aclosing(purging.export(connection, service.vault, source)) as lines:
            with _new_file(path) as file:
                async for line in lines:
                    _write(file, line)
                    hash.update(line)
                    letters += 1
    except SealedOtherwise as error:
        raise Failure(
            f"没有清除: 死信 {error} 是用另一把密钥封存的"
            f" / nothing was purged: letter {error} was sealed with another key"
        ) from None
    if _hash_of(path) != hash.hexdigest():
        raise Failure(f"没有清除: 文件与写入的不同 / nothing was purged: the file is not what was written: {path}")
    await purges.save_export(connection, number, letters, hash.hexdigest())
    return number


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there, for this user alone, safe on the disk at the end; gone where anything fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            _write(file, b"")
            os.fsync(descriptor)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(file: IO[bytes], line: bytes) -> None:
    try:
        file.write(line)
        if not line:
            file.flush()
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> Failure:
    return Failure(f"没有清除: 无法写入 / nothing was purged, the file cannot be written: {error.strerror}")


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Line(msgspec.Struct):
    seq: int


def _written(path: Path) -> list[int]:
    """The numbers of the letters that a file holds."""
    with path.open("rb") as file:
        return [msgspec.json.decode(line, type=_Line).seq for line in file]


def _show(source: str, path: Path, done: purges.Purge | None, left: int) -> None:
    if done is None:
        text = f"来源 {source} 没有死信 / no dead letters of {source}"
    else:
        text = (
            f"已清除 / purged: {done.purged:,} (清除 purge {done.purge}); 导出 export {path}, sha256 {done.export_hash}"
        )
        if left:
            text += f"; 其间又来了 {left:,} 条, 没有动 / not taken away, come meanwhile: {left:,}"
    say(text)
