"""Published sheets are imported, judged by, kept over starts, and taken back, as a user does it."""

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from streams.messages.codec import encode_event
from streams.store.sessions import connect
from tests.api import story
from tests.knowledge_base import sheets
from tests.knowledge_base.test_catalogues import needs_sheets
from tests.knowledge_base.workbooks import DAILY_CAPS, PERIODS, save_workbook
from tests.shell import Shell

MADE_UP = "001201999990000"
"""An item that no catalogue of the program names."""

CAP = "GZ10000102014000"
DAY = date(2026, 3, 2)


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


def saved(folder: Path, *rows: Sequence[object], head: Sequence[object] = DAILY_CAPS, name: str = "频次.xlsx") -> str:
    folder.mkdir(exist_ok=True)
    return str(save_workbook(folder / name, {"Sheet1": [head, *rows]}))


def cap_of(code: str, limit: object = 1) -> tuple[object, ...]:
    return (1, "虚构护理", limit, "日", code)


def send_visits(shell: Shell, *codes: str) -> None:
    """A man's visit for each item, with two units of it on one day."""
    lines = [replace(story.line(1, story.NURSING, DAY, "2"), item_code=code) for code in codes]
    claims = [story.claim(f"p-{line.item_code}", f"V-{line.item_code}", [line], DAY) for line in lines]
    shell.json("import", "claims", "-", "--source", "visits", given=b"\n".join(map(encode_event, claims)))


def accused(shell: Shell) -> list[str]:
    """The rules by which somebody is accused once everything outstanding was judged again."""
    if outstanding(shell):
        shell("rejudge")
    return _ask(shell, "select rule_id from findings where is_open order by 1")


def outstanding(shell: Shell) -> list[str]:
    """The rules by which people are to be judged again."""
    return _ask(shell, "select distinct unnest(rules) from outstanding order by 1")


def _ask(shell: Shell, query: str) -> list[str]:
    async def ask() -> list[str]:
        connection = await connect(shell.environment["FUNDWATCH_DATABASE_URL"])
        rows = await connection.fetch(query)
        await connection.close()
        return [row[0] for row in rows]

    return asyncio.run(ask())


def test_an_imported_point_accuses_outlives_a_start_and_is_taken_back(shell: Shell, tmp_path: Path) -> None:
    send_visits(shell, MADE_UP)
    assert accused(shell) == []
    done = shell.json("knowledge", "import", saved(tmp_path / "in", cap_of(MADE_UP)), "--by", "甲")
    assert (done["number"], done["total"]["added"], done["refused"]) == (1, 1, [])
    assert (done["switch"]["rules"], outstanding(shell)) == ([CAP], [CAP])
    assert accused(shell) == [CAP]

    shell("migrate")
    assert (outstanding(shell), accused(shell)) == ([], [CAP])
    (point,) = shell.json("knowledge", "list", "--code", MADE_UP)
    assert (point["imported"], point["limit"], point["valid_from"]) == (True, "1", "2025-12-31")
    (kept,) = shell.json("knowledge", "imports")
    assert (kept["number"], kept["by"], kept["files"], kept["undone"]) == (1, "甲", ["频次.xlsx"], False)

    switch = shell.json("knowledge", "undo")
    assert (switch["rules"], outstanding(shell)) == ([CAP], [CAP])
    assert accused(shell) == []
    assert [kept["undone"] for kept in shell.json("knowledge", "imports")] == [True]
    shell("migrate")
    assert (outstanding(shell), shell.json("knowledge", "list", "--code", MADE_UP)) == ([], [])
    assert "no such import" in shell("knowledge", "undo", code=1)


def test_a_refused_row_is_named_and_stops_no_other(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    saved(folder, cap_of(MADE_UP), cap_of("1201"), head=DAILY_CAPS)
    (folder / "坏.xlsx").write_text("no workbook")
    (folder / "读我.txt").touch()
    save_workbook(folder / "乱.xlsx", {"封面": [("读我",)]})
    saved(folder, (1, "虚构评定", 1, 400, "", MADE_UP), head=PERIODS, name="周期.xlsx")
    done = shell.json("knowledge", "import", str(folder), code=1)
    assert (done["number"], done["total"]["added"], done["total"]["refused"]) == (1, 1, 4)
    assert [(row["sheet"], row["row"]) for row in done["refused"]] == [
        ("乱.xlsx", 0),
        ("坏.xlsx", 0),
        ("周期.xlsx · Sheet1", 2),
        ("频次.xlsx · Sheet1", 3),
    ]
    assert done["unknown"] == ["乱.xlsx · 封面"]

    again = shell.run("knowledge", "import", str(folder))
    said, beside = again.stdout.decode(), again.stderr.decode()
    assert (again.returncode, "Traceback" in beside) == (1, False)
    assert "没有新知识点 / nothing new" in said
    assert "频次.xlsx · Sheet1, 第 3 行 row 3: 不是项目或药品编码 / no code of an item: 1201" in said
    assert f"未读 / not read: {folder / '读我.txt'}" in beside
    assert [kept["refused"] for kept in shell.json("knowledge", "imports")] == [4]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("/nowhere.xlsx",), "no such file: /nowhere.xlsx"),
        (("empty",), "no workbooks (.xlsx)"),
        (("empty", "--published", "soon"), "expected a day like 2026-03-01"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    shell: Shell, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    paths = [str(tmp_path / word) if word == "empty" else word for word in words]
    done = shell.run("knowledge", "import", *paths)
    assert done.returncode == 1
    assert says in (done.stdout + done.stderr).decode()
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "home" / "knowledge").exists()


def test_an_import_that_does_not_come_into_force_leaves_nothing(
    shell: Shell, tmp_path: Path, postgres_url: str
) -> None:
    sheet = saved(tmp_path / "in", cap_of(MADE_UP))
    shell("migrate")
    asyncio.run(_execute(postgres_url, "alter table rule_set_switches add constraint no check (false) not valid"))
    assert shell.run("knowledge", "import", sheet).returncode == 1
    assert shell.json("knowledge", "imports") == shell.json("knowledge", "list", "--code", MADE_UP) == []
    asyncio.run(_execute(postgres_url, "alter table rule_set_switches drop constraint no"))
    shell("knowledge", "import", sheet)
    asyncio.run(_execute(postgres_url, "alter table rule_set_switches add constraint no check (false) not valid"))
    assert shell.run("knowledge", "undo").returncode == 1
    assert [kept["undone"] for kept in shell.json("knowledge", "imports")] == [False]
    assert len(shell.json("knowledge", "list", "--code", MADE_UP)) == 1


async def _execute(dsn: str, statement: str) -> None:
    connection = await connect(dsn)
    await connection.execute(statement)
    await connection.close()


@needs_sheets
def test_the_official_sheets_come_into_force_in_one_go(shell: Shell) -> None:
    """All rows are points, the program's own rules and their cases hold under them, and nothing is refused."""
    folder = str(sheets.DATA / "two-libraries")
    done: dict[str, Any] = shell.json("knowledge", "import", folder)
    assert (done["refused"], done["unknown"], len(done["sheets"])) == ([], [], 14)
    total = done["total"]
    assert (total["added"] + total["unchanged"], total["superseded"]) == (15_618, 0)
    assert shell.json("rules", "check")["failed"] == []
    again = shell.json("knowledge", "import", folder)
    assert (again["number"], again["total"]["unchanged"]) == (None, 15_618)
