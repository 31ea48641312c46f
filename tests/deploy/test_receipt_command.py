"""``fundwatch receipt``: what is kept of a request by the code of its answer."""

import json
import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from knowledge_base.events.prescriptions import Advice, NotAsked, WarnedOrder
from streams.store.sessions import connect
from tests.api.story import TODAY, at
from tests.api.warned import BEDS, SET, order, request, save_asked, warning


def _run(dsn: str, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "FUNDWATCH_DATABASE_URL": dsn, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "deploy.commands", "receipt", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
async def code(postgres_url: str) -> str:
    """That of a request of which one rule was not asked, and another warned of an order beside one that explains it."""
    connection = await connect(postgres_url)
    said = replace(warning("W", (), order(1), order(2)), orders=(WarnedOrder("o1"), WarnedOrder("o2", guilty=False)))
    advice = Advice("CODE1", at(TODAY, 9), "f1", SET, 7, (said,), (NotAsked("FW10000003", "out of time"),))
    try:
        await save_asked(connection, [request("r1", TODAY, [order(1), order(2)], advice=advice)])
    finally:
        await connection.close()
    return "CODE1"


def test_it_says_what_was_asked_and_judged(postgres_url: str, code: str) -> None:
    told = json.loads(_run(postgres_url, code, "--json").stdout)
    assert (told["code"], told["rule_set"], told["as_of"], told["fingerprint"]) == (code, SET, 7, "f1")
    assert told["not_evaluated"] == [{"rule_id": "FW10000003", "reason": "out of time"}]
    assert len(told["kept"][0]["orders"]) == 2
    shown = _run(postgres_url, code).stdout
    assert SET in shown
    assert "FW10000003" in shown
    (first,), (second,) = ([row for row in shown.splitlines() if f" {name} " in row] for name in ("o1", "o2"))
    assert (BEDS in first, BEDS in second) == (True, False)
    unknown = _run(postgres_url, "OTHER")
    assert (unknown.returncode, "no such receipt" in unknown.stderr) == (1, True)
