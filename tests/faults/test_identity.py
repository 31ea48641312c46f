"""Names and numbers end at the door: a week of hospitals' messages leaves none of them anywhere.

Every message is full of made-up names and identity numbers, wherever hospitals write them, also where they should not.
Afterwards the database, the journal, Kafka and all logs are searched for each, in every way in which it could stand
there.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.embedded.kafka import EmbeddedKafka
from streams.messages.pseudonyms import Pseudonyms
from streams.store.events.stored import decompressed
from streams.store.sessions import connect

from .grounds import KafkaGround
from .hospitals import Line, asking, body_of, in_form, replying
from .servers import PostgresServer
from .site import PSEUDONYM_KEY, Site
from .test_gateway import opened

SURNAME, NUMBER, PHONE = "龘靐齉", "999042", "1990042"
"""What every name, identity number and telephone number here begins with, and nothing else does.

Long enough that 100 MB of other bytes do not hold it by chance, which the three bytes of one sign did."""

_MONDAY = datetime(2026, 3, 9, 0, 30, tzinfo=UTC)
_CODES = ("H42028100071", "H42028100072", "H42028100073")


class Person:
    """Somebody who does not exist."""

    def __init__(self, chance: Random) -> None:
        given = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(2))
        self.name = SURNAME + given
        self.number = f"{NUMBER}19{chance.randrange(10**9):09}X"
        self.phone = f"{PHONE}{chance.randrange(10**4):04}"

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.name, self.number, self.phone


def week(chance: Random, people: list[Person], each_day: int) -> Iterator[tuple[str, bytes]]:
    """The messages of seven days, each with its address."""
    for number in range(7 * each_day):
        now = _MONDAY + timedelta(days=number // each_day, minutes=number % each_day)
        patient, doctor, other = chance.sample(people, 3)
        message = asking("3101", f"W{number}", chance.choice(_CODES), now, patient.number, patient.name)
        _write_everywhere(message, patient, doctor)
        (person,) = message["input"]["data"]["patient_dtos"]
        (encounter,) = person["fsi_encounter_dtos"]
        encounter["fsi_his_data_dto"] = {"remark": f"{other.name} {other.number}", "phone": other.phone}
        yield "3101", body_of(message)
        yield from _wrong(number, message, patient, doctor)
        if number % 3 == 0:
            reason = f"{patient.name}家属{doctor.name}要求, 电话{patient.phone}, 证件{patient.number}"
            reply = replying(f"R{number}", message["fixmedins_code"], now, f"420281-W{number}-1", reason)
            yield "3103", body_of({**reply, "opter_name": doctor.name})


def _write_everywhere(message: dict[str, Any], patient: Person, doctor: Person) -> None:
    """Names and numbers in the fields that are there for them, and in some that nobody asked for."""
    message |= {"opter": doctor.number, "opter_name": doctor.name, "cainfo": doctor.phone, "dev_safe_info": doctor.name}
    message |= {"psn_name": patient.name, patient.name: patient.number, "certno": patient.number}
    (person,) = message["input"]["data"]["patient_dtos"]
    person |= {"psn_no": patient.number, "tel": patient.phone, "addr": f"{patient.name}家"}
    (encounter,) = person["fsi_encounter_dtos"]
    encounter |= {"dr_name": doctor.name, "psn_cert_no": patient.number}
    encounter["fsi_operation_dtos"] = [
        {"oprn_code": "45.2300", "oprn_name": "结肠镜检查", "oper_dr_name": doctor.name, "anst_dr_name": doctor.name}
    ]
    for order in encounter["fsi_order_dtos"]:
        order |= {"drord_dr_name": doctor.name, "memo": f"{patient.name} {patient.phone}"}


def _wrong(number: int, message: dict[str, Any], patient: Person, doctor: Person) -> Iterator[tuple[str, bytes]]:
    """What is refused, which is kept for those who mend it, sealed."""
    body = body_of({**message, "msgid": f"X{number}"})
    amount = f'"cnt": "{patient.name}{patient.number}"'.encode()
    yield from [
        [("3101", body.replace(b'"cnt": 1', amount))],
        [("3101", body[: len(body) * 2 // 3])],
        [("3102", body)],
        [("3101", body_of({**message, "opter_name": "改", "tel": doctor.phone}))],
        [("3101", body.decode().encode("gb18030")), (f"{patient.number}", body)],
        [("3101", body.replace(b'"gend": "1"', f'"gend": "{doctor.name}"'.encode()))],
        [("3101", body.replace(b'"patn_id"', f'"patn_id": "{doctor.number}", "patn_id"'.encode()))],
        [],
    ][number % 8]


async def sent(site: Site, messages: list[tuple[str, bytes]]) -> dict[int, int]:
    """Sends messages one after the other; how many got which code."""
    line, codes = Line(site.port), {0: 0, -1: 0}
    for infno, body in messages:
        status, answer = await line.call("POST", f"/{infno}", body)
        codes[in_form(200 if status == 404 else status, answer)["infcode"]] += 1
    await line.close()
    return codes


# --- where it could be


async def in_the_database(dsn: str) -> bytes:
    """Every row of every table, bytes as they are and unpacked."""
    connection = await connect(dsn)
    found = []
    try:
        tables = await connection.fetch(
            "select oid::regclass::text as name from pg_class"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        for table in tables:
            for row in await connection.fetch(f"select * from {table['name']}"):
                for value in row.values():
                    found.append(value if isinstance(value, bytes) else str(value).encode("utf-8", "replace"))
                    if isinstance(value, bytes):
                        with suppress(Exception):
                            found.append(decompressed(value))
    finally:
        await connection.close()
    return b"\n".join(found)


async def on_kafka(brokers: str, prefix: str) -> bytes:
    """Key, value and headers of every record of our topics."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, auto_offset_reset="earliest", enable_auto_commit=False, group_id=None
    )
    await consumer.start()
    found = []
    try:
        ours = [topic for topic in await consumer.topics() if topic.startswith(prefix)]
        consumer.subscribe(ours)
        ends: dict[Any, int] = {}
        while not ends:
            await consumer.getmany(timeout_ms=200)
            ends = await consumer.end_offsets(consumer.assignment()) if consumer.assignment() else {}
        await consumer.seek_to_beginning()
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    headers = b"\n".join(value for _, value in record.headers)
                    found.append(b"\n".join((record.key or b"", record.value or b"", headers)))
                    if (record.value or b"").startswith(b"\x28\xb5\x2f\xfd"):
                        found.append(decompressed(record.value))
    finally:
        await consumer.stop()
    return b"\n".join(found)


def in_files(folder: Path) -> bytes:
    """All files below a folder, as they lie there."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                found.append(path.read_bytes())
    return b"\n".join(found)


def ways_to_write(secret: str) -> set[bytes]:
    """Every way in which a text could be written."""
    raw = secret.encode()
    ways = {raw, secret.encode("gb18030"), secret.encode("utf-16-le"), secret.encode("utf-16-be")}
    return ways | {secret.encode("unicode_escape"), raw.hex().encode()}


def traces_of(secret: str) -> set[bytes]:
    """The same, and its hashes that need no key."""
    digests = [hash(secret.encode(), usedforsecurity=False) for hash in (hashlib.md5, hashlib.sha1, hashlib.sha256)]
    return ways_to_write(secret) | {of.digest() for of in digests} | {of.hexdigest().encode() for of in digests}


async def nothing_is_found(
    server: PostgresServer, broker: EmbeddedKafka, folder: Path, each_day: int, away: float
) -> None:
    chance = Random(each_day)
    people = [Person(chance) for _ in range(3 * each_day)]
    prefix = f"week-{uuid.uuid4().hex[:8]}-"
    settings = {"LOG_LEVEL": "debug", "LOGS": "json", "GATEWAY_BUDGET_MS": "10000"}
    ground = KafkaGround(broker, prefix, timedelta(seconds=6))
    messages = list(week(chance, people, each_day))
    half = len(messages) // 2
    async with opened(server, ground, folder / "journals", folder, "week", settings) as site:
        codes = await sent(site, messages[:half])
        await site.start_worker()
        if away:
            await asyncio.to_thread(server.stop)
            await sent(site, messages[half : half + 20])
            await asyncio.to_thread(server.start)
        rest = await sent(site, messages[half:])
        await site.until_taken_in()
        places = {
            "database": await in_the_database(site.dsn),
            "journal": in_files(site.journals),
            "kafka": await on_kafka(broker.brokers, prefix),
            "logs": b"\n".join(path.read_bytes() for path in folder.glob("*.log")),
        }
        await site.stop()
    assert min(codes[0] + rest[0], codes[-1] + rest[-1]) >= 7
    pseudonyms = Pseudonyms(PSEUDONYM_KEY.encode())
    for place in ("database", "journal", "kafka"):
        assert any(pseudonyms.of(of.number).encode() in places[place] for of in people), f"{place} is searched in vain"
    assert b"fundwatch" in places["logs"]
    secrets = [secret for person in people for secret in person.secrets]
    assert [
        (place, secret)
        for place, holds in places.items()
        for secret in secrets
        if any(way in holds for way in traces_of(secret))
    ] == []
    for files in (in_files(server.folder / "data" / "pg_wal"), in_files(broker.folder)):
        assert len(files) > 2**20
        for mark in (SURNAME, NUMBER + "19", PHONE):
            assert [way for way in ways_to_write(mark) if len(way) > 5 and way in files] == [], mark


async def test_names_and_numbers_of_a_week_are_found_nowhere(
    faults_server: PostgresServer, faults_broker: EmbeddedKafka, tmp_path: Path
) -> None:
    await nothing_is_found(faults_server, faults_broker, tmp_path, 8, away=0)


@pytest.mark.faults
async def test_nor_of_a_busy_week_with_a_store_that_was_away(
    faults_server: PostgresServer, faults_broker: EmbeddedKafka, tmp_path: Path
) -> None:
    await nothing_is_found(faults_server, faults_broker, tmp_path, 150, away=5)
