"""The command on silence, over a house that fell silent yesterday and one that is learnt."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge_base.days import day_of
from streams.jobs.noticing import notice
from streams.store.sessions import borrowed, open_pool
from tests.shell import Shell
from tests.streams.silent import Idle, fill, keep


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path, postgres_url)


async def _fall_silent(dsn: str) -> None:
    now = datetime.now(UTC)
    yesterday = day_of(now) - 1
    async with open_pool(dsn) as pool:
        async with borrowed(pool) as connection:
            await fill(connection, "H42010000001", "county hospital", yesterday, 600)
            await keep(connection, "H42010000002", yesterday - 3, [600, 601], "3101")
        await notice(pool, Idle(), now)  # type: ignore[arg-type]


def test_who_is_quiet_is_listed_for_people_and_machines(shell: Shell, postgres_url: str) -> None:
    empty = shell.json("silence")
    assert (empty["counts"], empty["senders"]) == ([], [])
    asyncio.run(_fall_silent(postgres_url))
    found = shell.json("silence")
    assert found["as_of"] is not None
    assert [(row["sender"][1:], row["state"]) for row in found["senders"]] == [
        (["H42010000001", "claim"], "quiet"),
        (["H42010000002", "3101"], "learning"),
    ]
    assert found["senders"][0]["expected"] > 500
    assert [row["sender"][1] for row in shell.json("silence", "--kind", "3101")["senders"]] == ["H42010000002"]
    assert shell.json("silence", "--state", "muted")["senders"] == []
    told = shell("silence", "--state", "quiet")
    assert "H42010000001" in told
    assert "异常安静 quiet" in told
    assert "H42010000002" not in told
