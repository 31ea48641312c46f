"""What `fundwatch warnings` lists: each warning, with whether anybody was told of it."""

import asyncio
from pathlib import Path

import asyncpg

from tests.api.story import COUNTY, TODAY, at
from tests.api.warned import BEDS, advised, order, request, save_asked, save_judged_late, unasked, warning
from tests.shell import Shell


async def save_three(dsn: str) -> None:
    """A warning that was told, one that repeats it, and one that was found too late."""
    told = warning("ONE-1", ("p-1", COUNTY, "v-1"), order(0))
    again = warning("TWO-1", ("p-1", COUNTY, "v-1"), order(0), repeats=told.warning_id)
    late = request("LATE", TODAY, [order(1)], advice=unasked("R3", at(TODAY, 9), BEDS))
    first = request("ONE", TODAY, [order(0)], advice=advised("R1", at(TODAY, 9), told))
    second = request("TWO", TODAY, [order(0)], advice=advised("R2", at(TODAY, 9), again))
    connection = await asyncpg.connect(dsn)
    try:
        await save_asked(connection, [first, second, late])
        await save_judged_late(connection, late, warning("LATE-1", ("p-2", COUNTY, "v-2"), order(1)))
    finally:
        await connection.close()


def test_what_nobody_was_told_is_not_listed_as_told(postgres_url: str, tmp_path: Path) -> None:
    asyncio.run(save_three(postgres_url))
    shell = Shell(tmp_path / "home", postgres_url)
    head, *rows = [line.split("│") for line in shell("warnings").splitlines() if "│" in line or "┃" in line]
    listed = "".join("".join(cells) for cells in rows)
    assert "told" in "".join(head)
    assert [listed.count(words) for words in ("是 yes", "重复未告知", "超时未告知")] == [1, 1, 1]
    done = shell.run("warnings")
    assert "已告知 / told: 1," in done.stderr.decode()
