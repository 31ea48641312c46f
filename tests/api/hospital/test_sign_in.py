"""Sessions: a key is agreed on by 9001, signs what follows at every process, and ends in each of the ways it may."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.access.bearers import token_hash
from api.hospital import keys as rules
from api.hospital.following import follow_store
from api.hospital.gateway import NOT_KEPT, NOT_OPENED, OTHER_SESSION, OWN_KEY, Gateway
from api.hospital.keys import Keys
from api.hospital.rates import Rates
from api.hospital.scalars import CHINA
from api.hospital.server import HospitalServer
from api.hospital.sessions import Session, Sessions
from casework.rights import Right
from casework.tokens import Key, Token
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.acts.tokens import give_token
from streams.hosts.service import Service, open_service
from streams.journal.journal import Journal, open_journal
from streams.messages.guomi import new_private_key, public_half
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.vault import Vault
from streams.store.people.sign_ins import find_ended
from streams.store.sessions import borrowed, open_pool
from tests.patience import PATIENCE
from tests.streams.replay import VAULT

from .messages import body_of, good_message
from .signed import HUNAN, INSTITUTION, LASTS, LATER, NATIONAL, Client, Clock, call, key_of, new_client, sealed_to
from .test_gateway import PATIENTLY

PRIVATE, BEFORE = new_private_key(), new_private_key()
PUBLIC = public_half(PRIVATE)


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


class Process:
    """A process of the gateway, with keys and sessions of its own over the store that all share."""

    def __init__(
        self, service: Service, rule_set: RuleSet, journal: Journal, clock: Clock, known: dict[bytes, Key], **more: Any
    ):
        dialect = more.get("dialect", NATIONAL)
        self.service = service
        self.sessions = Sessions(more.get("vault", VAULT), more.get("private_keys", (PRIVATE, BEFORE)), LASTS, clock)
        self.keys = Keys("needed", dialect, self.sessions, now=clock)
        self.keys.know(known, VAULT)
        pseudonyms = Pseudonyms(b"a key of the tests, which is no secret")
        self.gateway = Gateway(
            service.pool, rule_set, journal, pseudonyms, VAULT, PATIENTLY, clock, sessions=self.sessions
        )
        self.server = HospitalServer(self.gateway, dialect, self.keys, Rates(1000), lambda: True)
        self.path = "/{infno}" if dialect is NATIONAL else "/"
        self.clock = clock

    async def send(self, client: Client, message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Sends a message, signed."""
        body = body_of(message)
        way = client.tif if self.path != "/" else client.api
        headers = way(body, self.clock(), nonce=os.urandom(8).hex())
        return await call(self.server, self.path.format(infno=message["infno"]), body, headers)

    async def refused(self, client: Client, message: dict[str, Any]) -> str:
        """Why a message is refused; empty for one that is not."""
        _, answer = await self.send(client, message)
        assert (answer["infcode"] == 0) is (answer["err_msg"] == "")
        return str(answer["err_msg"])

    async def follow(self) -> None:
        """What the store says was ended."""
        async with borrowed(self.service.pool) as connection:
            self.sessions.know_ended(await find_ended(connection, self.sessions.heard_until))


class Place:
    """What processes share."""

    def __init__(self, service: Service, rule_set: RuleSet, journal: Journal):
        self.service = service
        self.rule_set = rule_set
        self.journal = journal
        self.clock = Clock()
        self.clock.at = datetime(2090, 3, 12, tzinfo=CHINA)
        self.client = new_client()
        self.other = new_client()
        self.known = {**key_of(self.client, VAULT), **key_of(self.other, VAULT)}

    def process(self, **more: Any) -> Process:
        return Process(self.service, self.rule_set, self.journal, self.clock, self.known, **more)


@pytest.fixture
async def place(postgres_url: str, rule_set: RuleSet, tmp_path: Path) -> AsyncIterator[Place]:
    async with open_service(postgres_url, rule_set, VAULT) as service, open_journal(tmp_path / "journal") as journal:
        yield Place(service, rule_set, journal)


def sign_in(key: bytes, msgid: str = "in-1", public: bytes = PUBLIC) -> dict[str, Any]:
    return sign_in_with(sealed_to(public, key), msgid)


def sign_in_with(sealed: str, msgid: str = "in-1") -> dict[str, Any]:
    message = good_message("9001")
    message["input"]["signIn"]["session_key"] = sealed
    return {**message, "msgid": msgid}


def sign_out(sign_no: str, msgid: str = "out-1") -> dict[str, Any]:
    message = good_message("9002")
    message["input"]["signOut"]["sign_no"] = sign_no
    return {**message, "msgid": msgid}


def replies(msgid: str) -> dict[str, Any]:
    return {**good_message("3103"), "msgid": msgid}


async def agreed(process: Process, client: Client, msgid: str = "in-1") -> tuple[Client, dict[str, Any]]:
    """A session as its system has it, and what it was answered."""
    key = os.urandom(32)
    _, answer = await process.send(client, sign_in(key, msgid))
    assert (answer["infcode"], answer["err_msg"]) == (0, "")
    told: dict[str, Any] = answer["output"]["signinoutb"]
    return Client(told["sign_no"], key), told


async def test_a_session_signs_at_the_process_that_agreed_on_it_and_at_every_other(place: Place) -> None:
    one, two = place.process(), place.process()
    session, told = await agreed(one, place.client)
    assert 100 < len(told["sign_no"]) <= 200
    assert told["expi_time"] == "2090-03-12 12:00:00"
    for number, process in enumerate((one, two, place.process())):
        assert await process.refused(session, replies(f"m{number}")) == ""
    wrong = Client(session.key_id, os.urandom(32))
    assert (await two.refused(wrong, replies("m9"))).endswith(rules.NOT_ITS_SIGNATURE)
    own = Client(session.key_id, place.client.secret)
    assert (await two.refused(own, replies("m9"))).endswith(rules.NOT_ITS_SIGNATURE)
    assert await two.refused(place.client, replies("m9")) == ""


async def test_hunan_signs_with_a_session_likewise(place: Place) -> None:
    process = place.process(dialect=HUNAN)
    session, _ = await agreed(process, place.client)
    assert await process.refused(session, replies("m1")) == ""


async def test_who_signs_in_plainly_is_answered_as_before(place: Place) -> None:
    _, answer = await place.process().send(place.client, {**good_message("9001"), "msgid": "in-1"})
    told = answer["output"]["signinoutb"]
    assert (len(told["sign_no"]), sorted(told)) == (30, ["sign_no", "sign_time"])
    assert await place.process().refused(place.client, {**replies("m1"), "sign_no": told["sign_no"]}) == ""
    assert await place.process().refused(place.client, sign_out(told["sign_no"])) == ""


async def test_a_session_is_over_after_its_time(place: Place) -> None:
    process = place.process()
    session, _ = await agreed(process, place.client)
    place.clock.at += LASTS - timedelta(seconds=1)
    assert await process.refused(session, replies("m1")) == ""
    place.clock.move(seconds=1)
    assert await process.refused(session, replies("m2")) == f"x-tif-paasid: {rules.SESSION_OVER}"
    assert await place.process().refused(session, replies("m3")) == f"x-tif-paasid: {rules.SESSION_OVER}"


async def test_signing_out_ends_a_session_here_at_once_and_elsewhere_when_the_store_tells(place: Place) -> None:
    one, two = place.process(), place.process()
    session, told = await agreed(one, place.client)
    still, _ = await agreed(one, place.client, "in-2")
    assert await two.refused(session, replies("m1")) == ""
    assert await one.refused(session, sign_out(told["sign_no"])) == ""
    assert await one.refused(session, replies("m2")) == f"x-tif-paasid: {rules.SESSION_OVER}"
    for process in (two, place.process()):
        await process.follow()
        assert await process.refused(session, replies("m3")) == f"x-tif-paasid: {rules.SESSION_OVER}"
        assert await process.refused(still, replies("m4")) == ""


async def test_the_number_of_the_envelope_is_signed_out_where_no_other_is_told(place: Place) -> None:
    process = place.process()
    session, told = await agreed(process, place.client)
    message = {**sign_out(""), "sign_no": told["sign_no"]}
    assert await process.refused(place.client, message) == ""
    assert (await process.refused(session, replies("m1"))).endswith(rules.SESSION_OVER)


async def test_nobody_ends_the_session_of_another_key(place: Place) -> None:
    process = place.process()
    session, told = await agreed(process, place.client)
    assert OTHER_SESSION.rule in await process.refused(place.other, sign_out(told["sign_no"]))
    assert await process.refused(session, replies("m1")) == ""


async def test_a_session_that_cannot_be_ended_for_all_is_to_be_ended_again(place: Place, postgres_url: str) -> None:
    process = place.process()
    session, told = await agreed(process, place.client)
    pool = process.gateway.writing
    async with open_pool(postgres_url) as closed:
        process.gateway.writing = closed
    assert await process.refused(session, sign_out(told["sign_no"])) == NOT_KEPT
    process.gateway.writing = pool
    assert await process.refused(session, sign_out(told["sign_no"])) == ""
    assert (await process.refused(session, replies("m1"))).endswith(rules.SESSION_OVER)


async def test_a_session_ends_with_the_key_that_agreed_on_it(place: Place) -> None:
    process = place.process()
    session, _ = await agreed(process, place.client)
    process.keys.know(key_of(place.other, VAULT), VAULT)
    assert await process.refused(session, replies("m1")) == f"x-tif-paasid: {rules.UNKNOWN}"


async def test_a_session_agrees_on_no_other(place: Place) -> None:
    process = place.process()
    session, _ = await agreed(process, place.client)
    assert OWN_KEY.rule in await process.refused(session, sign_in(os.urandom(32), "in-2"))


async def test_a_session_of_an_institution_speaks_for_it_alone(place: Place) -> None:
    foreign = new_client()
    place.known |= key_of(foreign, VAULT, "H42010000002")
    process = place.process()
    message = {**sign_in(key := os.urandom(32)), "fixmedins_code": "H42010000002"}
    _, answer = await process.send(foreign, message)
    session = Client(answer["output"]["signinoutb"]["sign_no"], key)
    assert "fixmedins_code" in await process.refused(session, replies("m1"))
    assert await process.refused(session, {**replies("m2"), "fixmedins_code": "H42010000002"}) == ""


@pytest.mark.parametrize("sealed", ["00", "no hex", "04" + "00" * 128, "ff" * 128])
async def test_what_is_not_sealed_to_this_installation_is_named(place: Place, sealed: str) -> None:
    assert NOT_OPENED.rule in await place.process().refused(place.client, sign_in_with(sealed))


async def test_the_sm2_key_is_changed_without_a_gap(place: Place) -> None:
    before = sealed_to(public_half(BEFORE), key := os.urandom(32))
    process = place.process()
    _, answer = await process.send(place.client, sign_in_with(before))
    assert await process.refused(Client(answer["output"]["signinoutb"]["sign_no"], key), replies("m1")) == ""
    for keys in ((PRIVATE,), ()):
        refused = await place.process(private_keys=keys).refused(place.client, sign_in_with(before, f"in-{len(keys)}"))
        assert NOT_OPENED.rule in refused


async def test_no_letter_of_a_number_may_be_another_and_nothing_else_that_is_sealed_is_a_session(place: Place) -> None:
    process = place.process()
    session, told = await agreed(process, place.client)
    opened = process.sessions.opened(told["sign_no"])
    assert opened is not None
    fresh = place.process().sessions
    for at in range(0, len(told["sign_no"]), 5):
        letter = "A" if told["sign_no"][at] != "A" else "B"
        assert fresh.opened(told["sign_no"][:at] + letter + told["sign_no"][at + 1 :]) is None
    assert fresh.opened(VAULT.seal(b"a reason of a doctor" * 9).decode()) is None
    assert fresh.opened("") is None
    assert place.process(vault=Vault(b"another key of the tests")).sessions.opened(told["sign_no"]) is None
    assert session.secret.hex() not in repr(opened)


async def test_without_a_key_that_is_needed_nothing_is_agreed_on(place: Place) -> None:
    process = place.process()
    answer = json.loads(await process.gateway.answer(body_of(sign_in(os.urandom(32))), NATIONAL))
    assert sorted(answer["output"]["signinoutb"]) == ["sign_no", "sign_time"]


async def test_opened_sessions_and_ended_ones_are_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.hospital.sessions.MOST_OPENED", 3)
    sessions = place.process().sessions
    for number in range(10):
        sign_no, _ = await sessions.agree(place.client.key_id, sealed_to(PUBLIC, bytes([number]) * 32))
        session = sessions.opened(sign_no)
        assert isinstance(session, Session)
        sessions.end(sign_no, session)
    assert (len(sessions._opened), len(sessions._ended)) == (3, 10)
    place.clock.at += LASTS
    sessions.know_ended([])
    assert len(sessions._ended) == 0


async def test_a_key_that_another_vault_sealed_is_told_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    process = place.process()
    rights, sealed = frozenset({Right.ASK}), Vault(b"another key of the tests").seal(b"a secret")
    token = Token("his", rights, LATER, "test", institutions=frozenset({INSTITUTION}), key_id="FWFOREIGN")
    async with borrowed(place.service.pool) as connection:
        assert await give_token(connection, token, token_hash("a secret"), sealed)
    stop, rounds, know = asyncio.Event(), asyncio.Semaphore(0), process.keys.know

    def count(known: Any, vault: Vault) -> list[str]:
        rounds.release()
        return know(known, vault)

    process.keys.know = count  # type: ignore[method-assign]
    following = asyncio.create_task(follow_store(process.gateway, process.keys, place.service.rule_sets, stop))
    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            await rounds.acquire()
    stop.set()
    await following
    assert [record.getMessage() for record in caplog.records if "FWFOREIGN" in record.getMessage()] == [
        "nobody can sign with key FWFOREIGN: FUNDWATCH_VAULT_KEY is not the one that sealed it"
    ]


async def test_the_key_of_a_session_stands_in_no_log_and_no_journal(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    process = place.process()
    session, told = await agreed(process, place.client)
    await process.refused(session, replies("m1"))
    await process.refused(place.client, sign_in_with("00", "in-2"))
    await process.refused(session, sign_out(told["sign_no"]))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "journal").rglob("*") if path.is_file())
    assert len(kept) > 500
    said = kept + caplog.text.encode()
    for secret in (session.secret, session.secret.hex().encode(), place.client.secret, told["sign_no"].encode()):
        assert secret not in said
