"""Signed requests: each way is accepted as clients sign, and whatever is wrong with one is refused by its name."""

import base64
import hashlib
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.access.bearers import new_token, token_hash
from api.hospital import keys as rules
from api.hospital.dialect import DIALECTS as FOLDER
from api.hospital.dialect import Binding, Dialect, load_dialect
from api.hospital.gateway import Gateway
from api.hospital.keys import Keys, NotProven
from api.hospital.nonces import Nonces
from api.hospital.rates import Rates
from api.hospital.server import HospitalServer
from casework.tokens import Key
from knowledge_base.catalogues.files import load_facts
from knowledge_base.files.yaml_files import FileFaults
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.vault import Vault
from tests.streams.replay import VAULT

from .messages import body_of, good_message
from .signed import HUNAN, INSTITUTION, NATIONAL, Client, Clock, call, encoded, key_of, keys_for, new_client
from .test_gateway import PATIENTLY, Failing

BODY = body_of(good_message("9001"))
UNBOUND, SM3 = replace(NATIONAL, binds="none"), replace(NATIONAL, binds="sm3")
BOUND_HUNAN = replace(HUNAN, binds="sha256")
SIGNED = [NATIONAL, UNBOUND, SM3, HUNAN, BOUND_HUNAN, replace(HUNAN, binds="sm3")]


def named(dialect: Dialect) -> str:
    return f"{dialect.name}-{dialect.binds}"


def sign(dialect: Dialect, client: Client, clock: Clock, body: bytes = BODY, **more: Any) -> dict[str, str]:
    """The headers of a request in a dialect."""
    way = client.tif if dialect.signing == "hmac-sm3-tif" else client.api
    return way(body, clock(), binds=dialect.binds, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


def server_of(rule_set: RuleSet, keys: Keys, dialect: Dialect, clock: Clock, rate: float = 1000) -> HospitalServer:
    """A gateway without a store, whose journal keeps nothing: what it takes is 9001 alone."""
    no_store: Any = None
    pseudonyms = Pseudonyms(b"a key of the tests, which is no secret")
    gateway = Gateway(no_store, rule_set, Failing(), pseudonyms, VAULT, PATIENTLY, clock, keys.sessions)
    return HospitalServer(gateway, dialect, keys, Rates(rate), lambda: True)


def proven(keys: Keys, headers: dict[str, str], body: bytes = BODY) -> str:
    """What a request proves: its institution, or why it proves nothing."""
    try:
        sender = keys.prove(keys.claim(encoded(headers)), body)
    except NotProven as not_proven:
        return str(not_proven)
    assert sender is not None
    return ",".join(sender.institutions)


# --- each way


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
async def test_what_is_signed_as_the_dialect_says_is_answered(
    rule_set: RuleSet, clock: Clock, client: Client, dialect: Dialect
) -> None:
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    server = server_of(rule_set, keys, dialect, clock)
    path = "/9001" if dialect.signing == "hmac-sm3-tif" else "/"
    status, answer = await call(server, path, BODY, sign(dialect, client, clock))
    assert (status, answer["infcode"], answer["err_msg"]) == (200, 0, "")
    status, answer = await call(server, path, BODY, {})
    assert (status, answer["infcode"], answer["err_msg"]) == (401, -1, rules.NO_KEY)


async def test_what_is_signed_to_ask_for_a_receipt_asks_for_no_other(
    rule_set: RuleSet, clock: Clock, client: Client
) -> None:
    """Without a store it is answered that it cannot be looked up, once it is known who asks."""
    server = server_of(rule_set, keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT)), NATIONAL, clock)
    headers = sign(NATIONAL, client, clock, b"/receipts/ONE")
    assert (await call(server, "/receipts/ONE", b"", headers, "GET"))[0] == 503
    assert (await call(server, "/receipts/OTHER", b"", headers, "GET"))[0] == 401
    assert (await call(server, "/receipts/ONE", b"", sign(NATIONAL, client, clock, b""), "GET"))[0] == 401


async def test_what_is_sent_again_as_it_was_is_answered_as_it_was(
    rule_set: RuleSet, clock: Clock, client: Client
) -> None:
    server = server_of(rule_set, keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT)), NATIONAL, clock)
    headers = sign(NATIONAL, client, clock)
    answers = [await call(server, "/9001", BODY, headers) for _ in range(3)]
    answers.append(await call(server, "/9001", BODY, sign(NATIONAL, client, clock, nonce="another")))
    assert answers[0][1]["infcode"] == 0
    assert answers == [answers[0]] * 4
    other = body_of({**good_message("9001"), "opter": "2"})
    status, answer = await call(server, "/9001", other, sign(NATIONAL, client, clock, other, nonce="third"))
    assert (status, answer["infcode"]) == (200, -1)


def test_hunan_signs_as_the_public_clients_of_its_service_bus(clock: Clock) -> None:
    """A string sorted and signed by hand, with the nonce that newer clients send and without it."""
    client = Client("ak", b"sk")
    keys = keys_for(HUNAN, VAULT, clock, key_of(client, VAULT))
    time = str(int(clock().timestamp() * 1000))
    for nonce in (None, "abc"):
        given = "" if nonce is None else f"_api_nonce={nonce}&"
        text = f"_api_access_key=ak&_api_name=3101&{given}_api_timestamp={time}&_api_version=1.0.0"
        headers = dict(pair.split("=", 1) for pair in text.split("&"))
        inner = hashlib.sha1(bytes(b ^ 0x36 for b in b"sk".ljust(64, b"\0")) + text.encode(), usedforsecurity=False)
        outer = bytes(b ^ 0x5C for b in b"sk".ljust(64, b"\0")) + inner.digest()
        mac = hashlib.sha1(outer, usedforsecurity=False).digest()
        assert proven(keys, {**headers, "_api_signature": base64.b64encode(mac).decode()}) == INSTITUTION


def test_a_signature_may_be_written_in_capital_letters_and_the_time_in_milliseconds(
    clock: Clock, client: Client
) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    headers = sign(NATIONAL, client, clock)
    assert proven(keys, {**headers, "x-tif-signature": headers["x-tif-signature"].upper()}) == INSTITUTION
    clock.at = clock.at.replace(microsecond=0)
    milliseconds = Client(client.key_id, client.secret).api(BODY, clock())["_api_timestamp"]
    assert len(milliseconds) == 13
    keys = keys_for(HUNAN, VAULT, clock, key_of(client, VAULT))
    seconds = client.api(BODY, clock() - timedelta(seconds=1))
    assert proven(keys, seconds) == INSTITUTION


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
def test_no_bit_of_a_head_may_be_another(clock: Clock, client: Client, dialect: Dialect) -> None:
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    headers = sign(dialect, client, clock, nonce="Nonce-1")
    assert proven(keys, headers) == INSTITUTION
    tried = 0
    for name, value in headers.items():
        for place in range(len(value) * 8):
            letters = bytearray(value.encode())
            letters[place // 8] ^= 1 << place % 8
            changed = letters.decode("latin-1")
            if name == "x-tif-signature" and changed.lower() == value:
                continue
            assert proven(keys, {**headers, name: changed}) != INSTITUTION, (name, place)
            tried += 1
    assert tried > 500


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
def test_no_bit_of_a_bound_body_may_be_another(clock: Clock, client: Client, dialect: Dialect) -> None:
    """Where the public scheme leaves the body open, another body is refused by its nonce alone."""
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    headers = sign(dialect, client, clock, nonce="n1")
    refusal = rules.NOT_ITS_SIGNATURE if dialect.binds != "none" else rules.USED_BEFORE
    assert proven(keys, headers) == INSTITUTION
    for place in range(len(BODY)):
        changed = bytearray(BODY)
        changed[place] ^= 1 << place % 8
        assert proven(keys, headers, bytes(changed)).endswith(refusal)
    for body in (b"", BODY[:-1], BODY + b" "):
        assert proven(keys, headers, body).endswith(refusal)


# --- what is refused, by its name


@pytest.mark.parametrize("dialect", [NATIONAL, HUNAN], ids=named)
def test_each_header_that_is_missing_is_named(clock: Clock, client: Client, dialect: Dialect) -> None:
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    headers = sign(dialect, client, clock)
    for missing in headers:
        rest = {name: value for name, value in headers.items() if name != missing}
        assert proven(keys, rest) == f"{missing}: {rules.NO_HEADER}"


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
def test_a_wrong_key_and_another_institutions_key_do_not_fit(clock: Clock, client: Client, dialect: Dialect) -> None:
    other = new_client()
    known = {**key_of(client, VAULT), **key_of(other, VAULT, "H42010000002")}
    keys = keys_for(dialect, VAULT, clock, known)
    signature = dialect.headers["signature"]
    for secret in (b"", b"wrong", other.secret, client.secret[:-1]):
        headers = sign(dialect, Client(client.key_id, secret), clock)
        assert proven(keys, headers) == f"{signature}: {rules.NOT_ITS_SIGNATURE}"
    assert proven(keys, sign(dialect, other, clock)) == "H42010000002"


async def test_an_institution_speaks_for_itself_alone_however_it_signs(rule_set: RuleSet, clock: Clock) -> None:
    for dialect in SIGNED:
        other = new_client()
        keys = keys_for(dialect, VAULT, clock, key_of(other, VAULT, "H42010000002"))
        server = server_of(rule_set, keys, dialect, clock)
        path = "/9001" if dialect.signing == "hmac-sm3-tif" else "/"
        status, answer = await call(server, path, BODY, sign(dialect, other, clock))
        assert (status, answer["infcode"]) == (200, -1)
        assert answer["err_msg"] != ""
        assert "sign_no" not in json.dumps(answer)


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
def test_a_key_that_is_revoked_unknown_or_over_signs_nothing(clock: Clock, client: Client, dialect: Dialect) -> None:
    over = new_client()
    known = key_of(client, VAULT)
    keys = keys_for(dialect, VAULT, clock, {**known, **key_of(over, VAULT, ends_at=clock())})
    sender = dialect.headers["sender"]
    assert proven(keys, sign(dialect, over, clock)) == f"{sender}: {rules.UNKNOWN}"
    assert proven(keys, sign(dialect, new_client(), clock)) == f"{sender}: {rules.UNKNOWN}"
    assert proven(keys, sign(dialect, client, clock)) == INSTITUTION
    keys.know({}, VAULT)
    assert proven(keys, sign(dialect, client, clock)) == f"{sender}: {rules.UNKNOWN}"


def test_two_keys_of_an_institution_are_good_at_once_until_the_old_one_is_revoked(clock: Clock) -> None:
    old, new = new_client(), new_client()
    keys = keys_for(NATIONAL, VAULT, clock, key_of(old, VAULT))
    keys.know({**key_of(old, VAULT), **key_of(new, VAULT)}, VAULT)
    assert [proven(keys, sign(NATIONAL, of, clock, nonce=of.key_id)) for of in (old, new)] == [INSTITUTION] * 2
    keys.know(key_of(new, VAULT), VAULT)
    assert proven(keys, sign(NATIONAL, old, clock)).endswith(rules.UNKNOWN)
    assert proven(keys, sign(NATIONAL, new, clock)) == INSTITUTION


def test_a_key_that_another_vault_sealed_is_told_and_can_be_shown_still(clock: Clock, client: Client) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, {})
    assert keys.know(key_of(client, Vault(b"another key of the tests")), VAULT) == [client.key_id]
    assert proven(keys, sign(NATIONAL, client, clock)).endswith(rules.UNKNOWN)
    assert proven(keys, {"authorization": f"Bearer {client.secret.decode()}"}) == INSTITUTION


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
@pytest.mark.parametrize("seconds", [-301, -3600, 301, 3600])
def test_what_was_signed_too_long_ago_or_in_the_future_is_refused(
    clock: Clock, client: Client, dialect: Dialect, seconds: int
) -> None:
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    headers = sign(dialect, client, clock)
    clock.move(seconds=-seconds)
    assert proven(keys, headers) == f"{dialect.headers['time']}: {rules.OUT_OF_WINDOW}"
    clock.move(seconds=seconds - (1 if seconds > 0 else -1) * 300)
    assert proven(keys, headers) == INSTITUTION


@pytest.mark.parametrize(
    "time", ["", "now", "1", "17732808000", "2026-03-12 10:00:00", "-773280800", "１７７３２８０８００"]
)
def test_what_is_no_time_is_named(clock: Clock, client: Client, time: str) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    headers = [(name, value) for name, value in encoded(sign(NATIONAL, client, clock)) if name != b"x-tif-timestamp"]
    with pytest.raises(NotProven, match="x-tif-timestamp: 应为10位"):
        keys.claim([*headers, (b"x-tif-timestamp", time.encode())])


@pytest.mark.parametrize("nonce", ["", "n" * 129])
def test_a_nonce_has_to_be_there_and_is_not_endless(clock: Clock, client: Client, nonce: str) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    assert proven(keys, sign(NATIONAL, client, clock, nonce=nonce)) == f"x-tif-nonce: {rules.NO_NONCE}"
    assert proven(keys, sign(NATIONAL, client, clock, nonce="n" * 128)) == INSTITUTION


@pytest.mark.parametrize("dialect", [NATIONAL, UNBOUND, SM3, HUNAN], ids=named)
def test_a_nonce_is_good_for_one_message_however_often_that_is_sent(
    clock: Clock, client: Client, dialect: Dialect
) -> None:
    other = new_client()
    keys = keys_for(dialect, VAULT, clock, {**key_of(client, VAULT), **key_of(other, VAULT)})
    another = body_of({**good_message("9001"), "msgid": "another"})
    for _ in range(3):
        assert proven(keys, sign(dialect, client, clock, nonce="n")) == INSTITUTION
        clock.move(seconds=100)
    assert proven(keys, sign(dialect, client, clock, another, nonce="n"), another) == (
        f"{dialect.headers['nonce']}: {rules.USED_BEFORE}"
    )
    assert proven(keys, sign(dialect, client, clock, another, nonce="o"), another) == INSTITUTION
    assert proven(keys, sign(dialect, other, clock, another, nonce="n"), another) == INSTITUTION
    clock.move(seconds=601)
    assert proven(keys, sign(dialect, client, clock, another, nonce="n"), another) == INSTITUTION


def test_a_wrong_signature_uses_up_no_nonce(clock: Clock, client: Client) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    another = body_of({**good_message("9001"), "msgid": "another"})
    assert proven(keys, sign(NATIONAL, Client(client.key_id, b"wrong"), clock, another), another) != INSTITUTION
    assert proven(keys, sign(NATIONAL, client, clock)) == INSTITUTION


def test_nonces_are_forgotten_after_a_while_and_when_they_are_too_many() -> None:
    nonces = Nonces(kept_for=10, most=3)
    assert [nonces.take("k", "a", digest, 0) for digest in (b"1", b"1", b"2")] == [True, True, False]
    assert not nonces.take("k", "a", b"2", 10)
    assert nonces.take("k", "a", b"2", 10.1)
    for number in range(1000):
        nonces.take("k", str(number), b"1", 11)
    assert len(nonces._seen) == 3


# --- tokens


@pytest.mark.parametrize("dialect", SIGNED, ids=named)
async def test_a_token_may_be_shown_in_every_dialect_unless_all_have_to_sign(
    rule_set: RuleSet, clock: Clock, client: Client, dialect: Dialect
) -> None:
    shown = {"authorization": f"Bearer {client.secret.decode()}"}
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT))
    path = "/9001" if dialect.signing == "hmac-sm3-tif" else "/"
    assert (await call(server_of(rule_set, keys, dialect, clock), path, BODY, shown))[1]["infcode"] == 0
    keys = keys_for(dialect, VAULT, clock, key_of(client, VAULT), needed="signed")
    server = server_of(rule_set, keys, dialect, clock)
    status, answer = await call(server, path, BODY, shown)
    assert (status, answer["infcode"], answer["err_msg"]) == (401, -1, rules.NOT_SIGNED)
    assert (await call(server, path, BODY, {**shown, **sign(dialect, client, clock)}))[1]["infcode"] == 0


def test_a_key_of_an_earlier_release_is_shown_and_signs_nothing(clock: Clock) -> None:
    token = new_token()
    keys = keys_for(NATIONAL, VAULT, clock, {})
    known = {token_hash(token): Key(frozenset({INSTITUTION}), clock() + timedelta(days=1))}
    assert keys.know(known, VAULT) == []
    assert proven(keys, {"authorization": f"bearer {token}"}) == INSTITUTION
    assert proven(keys, sign(NATIONAL, Client("", token.encode()), clock)).endswith(rules.UNKNOWN)
    clock.move(days=2)
    assert proven(keys, {"authorization": f"bearer {token}"}) == rules.NO_KEY


@pytest.mark.parametrize("signing", ["none", "bearer"])
def test_where_a_dialect_signs_nothing_a_token_is_due(clock: Clock, client: Client, signing: Any) -> None:
    keys = keys_for(replace(NATIONAL, signing=signing, binds="none"), VAULT, clock, key_of(client, VAULT))
    assert proven(keys, sign(NATIONAL, client, clock)) == rules.NO_KEY
    assert proven(keys, {"authorization": f"Bearer {client.secret.decode()}"}) == INSTITUTION


# --- what it costs, and what is said of it


async def test_who_is_refused_by_the_head_is_refused_without_the_body(
    rule_set: RuleSet, clock: Clock, client: Client
) -> None:
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    server = server_of(rule_set, keys, NATIONAL, clock)
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        sent.append(message)

    for headers in ({}, sign(NATIONAL, new_client(), clock), {"authorization": "Bearer fundwatch_none"}):
        scope = {"type": "http", "method": "POST", "path": "/9001", "headers": encoded(headers)}
        await server(scope, receive, send)
        assert sent[-2]["status"] == 401
    server = server_of(rule_set, keys, NATIONAL, clock, rate=0.001)
    for _ in range(5):
        assert (await call(server, "/9001", BODY, sign(NATIONAL, Client(client.key_id, b"wrong"), clock)))[0] == 401
    assert server._rates._left == {}


async def test_who_has_not_proven_who_they_are_is_counted(rule_set: RuleSet, clock: Clock, client: Client) -> None:
    server = server_of(rule_set, keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT)), NATIONAL, clock)
    told: list[tuple[str, str]] = []
    server._gateway.watch = lambda infno, outcome, seconds: told.append((infno, outcome))
    await call(server, "/9001", BODY, sign(NATIONAL, client, clock))
    await call(server, "/9001", BODY, {})
    await call(server, "/9001", BODY, sign(NATIONAL, Client(client.key_id, b"wrong"), clock))
    assert told == [("9001", "taken"), ("?", "not proven"), ("?", "not proven")]


class Once(Rates):
    """Rates at which each sender may send once, however long anything takes."""

    def __init__(self) -> None:
        super().__init__(1)
        self.heard: set[str] = set()

    def take(self, sender: str, now: float) -> bool:
        is_new = sender not in self.heard
        self.heard.add(sender)
        return is_new


async def test_rates_are_those_of_the_institution_that_has_proven_itself(rule_set: RuleSet, clock: Clock) -> None:
    one, same, other = new_client(), new_client(), new_client()
    known = {**key_of(one, VAULT), **key_of(same, VAULT), **key_of(other, VAULT, "H42010000002")}
    server = server_of(rule_set, keys_for(NATIONAL, VAULT, clock, known), NATIONAL, clock)
    server._rates = Once()
    statuses = [
        (await call(server, "/9001", BODY, sign(NATIONAL, of, clock, nonce=of.key_id)))[0] for of in (one, same, other)
    ]
    assert statuses == [200, 429, 200]
    assert server._rates.heard == {INSTITUTION, "H42010000002"}


async def test_nothing_secret_stands_in_answers_logs_and_words_for_them(
    rule_set: RuleSet, clock: Clock, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    server = server_of(rule_set, keys, NATIONAL, clock)
    good = sign(NATIONAL, client, clock)
    said = ""
    for headers in (
        good,
        {**good, "x-tif-signature": "0" * 64},
        {**good, "x-tif-timestamp": "1"},
        {**good, "x-tif-paasid": client.secret.decode()},
        {"authorization": f"Bearer {client.secret.decode()}x"},
    ):
        said += json.dumps(await call(server, "/9001", BODY, headers), ensure_ascii=False)
    said += repr(keys.claim(encoded(good))) + caplog.text
    assert len(said) > 500
    for secret in (client.secret.decode(), client.secret.decode().removeprefix("fundwatch_"), client.secret.hex()):
        assert secret not in said


def test_a_dialect_that_signs_nothing_binds_nothing(tmp_path: Path) -> None:
    text = (FOLDER / "national.yaml").read_text(encoding="utf-8")
    path = tmp_path / "some.yaml"
    path.write_text(text.replace("hmac-sm3-tif", "bearer"), encoding="utf-8")
    with pytest.raises(FileFaults, match="nothing is signed that could be bound"):
        load_dialect(path)
    path.write_text(text.replace("binds: sha256", "binds: md5"), encoding="utf-8")
    with pytest.raises(FileFaults, match="binds"):
        load_dialect(path)


def test_shipped_dialects_bind_the_body_where_no_public_scheme_forbids_it() -> None:
    binding: dict[str, Binding] = {path.stem: load_dialect(path).binds for path in FOLDER.glob("*.yaml")}
    assert binding == {"national": "sha256", "hubei": "sha256", "hainan": "sha256", "hunan": "none"}
