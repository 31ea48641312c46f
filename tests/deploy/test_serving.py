"""Metrics as they are served: on a port of their own, on the desk's port to those who know the token, else nowhere.

And the first password, which is for one's own eyes in the demo alone."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.commands.interrupts import INTERRUPTED
from streams.store.sessions import connect
from tests.patience import PATIENCE

TOKEN = "t" * 24


@pytest.fixture
def environment(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    return {**ours, "FUNDWATCH_HOME": str(tmp_path), "FUNDWATCH_DATABASE_URL": postgres_url}


@contextmanager
def running(
    environment: Mapping[str, str], *words: str, ends: Collection[int] = (0,)
) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of ours until the block ends; it has to end in order (``ends``) when it is told to."""
    command = [sys.executable, "-m", "deploy.commands", *words]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode in ends, errors.decode()
        finally:
            process.kill()


def get(port: int, path: str, **headers: str) -> httpx.Response:
    """An answer, once somebody listens there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=PATIENCE)
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.1)


def values(answer: httpx.Response) -> dict[str, list[float]]:
    """Values of each metric in an answer."""
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def until_ready(port: int) -> None:
    """Returns once the desk there says that it is ready."""
    deadline = time.monotonic() + PATIENCE
    while (found := get(port, "/ready")).status_code != 200:
        assert time.monotonic() < deadline, found.text
        time.sleep(0.2)


def until_read(port: int, name: str, value: float, many: int = 1, **headers: str) -> dict[str, list[float]]:
    """What is served once a metric has at least so many values, all as expected."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = values(get(port, "/metrics", **headers))
        read = found.get(name, [])
        if set(read) == {value} and len(read) >= many:
            return found
        assert time.monotonic() < deadline, found.get(name)
        time.sleep(0.2)


def test_a_worker_serves_metrics_and_health_on_a_port_of_its_own(environment: dict[str, str], free_port: int) -> None:
    with running(environment, "worker", "--metrics-port", str(free_port)) as worker:
        found = until_read(free_port, "fundwatch_partition_owned", 1, many=11)
        assert (
            len(found["fundwatch_partition_owned"]) == 11
        )  # four of claims and of requests, two of replies, one of findings
        assert found["fundwatch_store_up"] == [1]
        assert found["fundwatch_disk_free_bytes"][0] > 0
        assert set(found["fundwatch_failed_checks_total"]) == {0}
        assert found["process_resident_memory_bytes"][0] > 10_000_000
        assert get(free_port, "/health").json()["status"] == "ok"
        assert get(free_port, "/ready").status_code == 200
        assert get(free_port, "/openapi.json").status_code == 404
        assert worker.poll() is None


def test_a_worker_on_kafka_says_the_same(environment: dict[str, str], free_port: int, kafka_brokers: str) -> None:
    environment |= {"FUNDWATCH_BUS": "kafka", "FUNDWATCH_BROKERS": kafka_brokers, "FUNDWATCH_KAFKA_PREFIX": "serving."}
    with running(environment, "worker", "--metrics-port", str(free_port)):
        found = until_read(free_port, "fundwatch_partition_owned", 1, many=11)
        assert len(found["fundwatch_partition_owned"]) == len(found["fundwatch_next_offset"]) == 11
        assert set(found["fundwatch_lag_records"]) == {0}
        assert min(found["fundwatch_leases_taken_total"]) >= 1


def test_the_port_of_its_own_asks_for_the_token_where_one_is_set(environment: dict[str, str], free_port: int) -> None:
    environment |= {"FUNDWATCH_METRICS_PORT": str(free_port), "FUNDWATCH_METRICS_TOKEN": TOKEN}
    with running(environment, "worker"):
        assert get(free_port, "/metrics").status_code == 401
        assert get(free_port, "/metrics", authorization="Bearer " + "x" * 24).status_code == 401
        assert get(free_port, "/metrics", authorization=f"Bearer {TOKEN}").status_code == 200
        assert get(free_port, "/health").status_code == 200


def test_the_desk_serves_metrics_to_those_who_know_the_token(environment: dict[str, str], free_port: int) -> None:
    environment |= {"FUNDWATCH_PORT": str(free_port), "FUNDWATCH_METRICS_TOKEN": TOKEN}
    with running(environment, "api"):
        refused = get(free_port, "/metrics")
        assert (refused.status_code, "fundwatch" in refused.text) == (401, False)
        assert refused.headers["www-authenticate"] == "Bearer"
        until_read(free_port, "fundwatch_store_up", 1, authorization=f"Bearer {TOKEN}")


def test_the_desk_serves_no_metrics_without_a_token(environment: dict[str, str], free_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = taken.getsockname()[1]
    environment |= {"FUNDWATCH_PORT": str(free_port), "FUNDWATCH_METRICS_PORT": str(own)}
    with running(environment, "api"):
        assert get(free_port, "/metrics").status_code == 404
        until_read(own, "fundwatch_store_up", 1)


def test_a_metrics_port_in_use_is_one_sentence(environment: dict[str, str], free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.commands", "worker", "--metrics-port", str(free_port)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert "FUNDWATCH_METRICS_PORT" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("words", "is_asked"), [(("api",), True), (("demo", "--scale", "0.002"), False)], ids=str)
def test_whoever_may_have_read_the_first_password_in_a_log_did_not_choose_it(
    environment: dict[str, str], free_port: int, postgres_url: str, words: tuple[str, ...], is_asked: bool
) -> None:
    async def ask() -> object:
        connection = await connect(postgres_url)
        try:
            return await connection.fetchval("select password_given from users where login = 'inspector'")
        finally:
            await connection.close()

    with running({**environment, "FUNDWATCH_PORT": str(free_port)}, *words, ends=(0, INTERRUPTED)):
        assert get(free_port, "/health").status_code == 200
        assert asyncio.run(ask()) is is_asked
