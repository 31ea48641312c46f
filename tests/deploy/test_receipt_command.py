"""``fundwatch receipt``: what is kept of a request by the code of its answer."""

import json
import os
import subprocess
import sys

import pytest

from knowledge_base.events.prescriptions import Advice, NotAsked
from streams.store.sessions import connect
from tests.api.story import TODAY
from tests.api.warned import SET, order, request, save_asked


def _run(dsn: str, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "FUNDWATCH_DATABASE_URL": dsn, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "deploy.commands", "receipt", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
async def code(postgres_url: str) -> str:
    """That of a request of which one rule was not asked."""
    connection = await connect(postgres_url)
    asked = request("r1", TODAY, [order(1), order(2)])
    advice = Advice("CODE1", asked.happened_at, "f1", SET, 7, not_asked=(NotAsked("FW10000003", "out of time"),))
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
    unknown = _run(postgres_url, "OTHER")
    assert (unknown.returncode, "no such receipt" in unknown.stderr) == (1, True)
