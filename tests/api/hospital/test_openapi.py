"""The published description of the interface: it is that of the field tables, whole, and true of the gateway.

Others judge: a validator of OpenAPI documents, one of JSON Schema, and Schemathesis, which makes messages that the
document takes, and messages that it does not. Whatever comes is answered in form; what the document takes is taken in.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from api.hospital.dialect import IN_PATH, Dialect, load_dialects
from api.hospital.example import example_request
from api.hospital.gateway import Gateway, Limits
from api.hospital.keys import Keys
from api.hospital.openapi import EXAMPLES_AT, encode_interface, file_of, interface_of
from api.hospital.rates import Rates
from api.hospital.requests import PHASES
from api.hospital.server import HospitalServer
from api.hospital.sessions import Sessions
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.hosts.service import Service, open_service
from streams.jobs.reconciling import reconcile
from streams.jobs.sending_journal import send_unsent
from streams.journal.journal import Journal, open_journal
from streams.messages.pseudonyms import Pseudonyms
from streams.store.sessions import borrowed
from tests.patience import PATIENCE
from tests.streams.replay import VAULT, until_done

from .messages import INFNOS, body_of, good_message
from .places import EVERY_MESSAGE, MISSING, fields_of, nodes_of, with_value

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "schemas"
DIALECTS = load_dialects()
DOCUMENTS = {name: json.loads(encode_interface(interface_of(dialect))) for name, dialect in DIALECTS.items()}
JSON_TYPE = "application/json"
PSEUDONYMS = Pseudonyms(b"a key of the tests, which is no secret")

every_dialect = pytest.mark.parametrize("name", DIALECTS)
every_table = pytest.mark.parametrize(
    ("name", "infno"), [of for of in EVERY_MESSAGE if of[0] in ("national", "hainan") and of[1] != "3102"]
)
"""Messages by the tables: Hainan's has other names and fields of its own, and 3102 has the table of 3101."""


def validator(name: str, schema: str) -> Draft202012Validator:
    """A judge of one of a document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": DOCUMENTS[name]["components"]})


def without_nothing(message: Any) -> Any:
    """A message that leaves out what it does not tell."""
    if isinstance(message, list):
        return [without_nothing(item) for item in message]
    if isinstance(message, dict):
        return {name: without_nothing(value) for name, value in message.items() if value is not None}
    return message


# --- the document


@every_dialect
def test_what_is_published_is_made_from_the_tables(name: str) -> None:
    """Written anew by ``make docs``."""
    assert (SCHEMAS / file_of(DIALECTS[name])).read_bytes() == encode_interface(interface_of(DIALECTS[name]))


@every_dialect
def test_it_is_an_openapi_document(name: str) -> None:
    OpenAPIV31SpecValidator(DOCUMENTS[name]).validate()
    for schema in DOCUMENTS[name]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@every_dialect
def test_every_message_has_its_address_and_its_example(name: str) -> None:
    dialect, told = DIALECTS[name], {}
    for path, item in DOCUMENTS[name]["paths"].items():
        for infno, example in (
            item.get("post", {})
            .get("requestBody", {})
            .get("content", {})
            .get(JSON_TYPE, {})
            .get("examples", {})
            .items()
        ):
            told[infno] = path
            assert example["value"] == example_request(infno, EXAMPLES_AT, dialect)
            assert list(validator(name, f"request-{infno}").iter_errors(example["value"])) == []
    assert told == {infno: dialect.addresses.path.replace(IN_PATH, infno) for infno in dialect.messages}


@every_table
def test_a_good_message_is_taken_and_what_has_to_be_there_is_missed(name: str, infno: str) -> None:
    judge, good = validator(name, f"request-{infno}"), good_message(infno, DIALECTS[name], orders=2)
    assert list(judge.iter_errors(without_nothing(good))) == []
    wrong = []
    for place, field in fields_of(DIALECTS[name], infno):
        for value in (MISSING, "", None):
            is_due = field.required == "always"
            if judge.is_valid(without_nothing(with_value(good, place.steps, value))) == is_due and not (
                field.several and value == ""
            ):
                wrong.append((place.path, value))
    for place, node in nodes_of(DIALECTS[name], infno):
        if judge.is_valid(with_value(without_nothing(good), place.steps, MISSING)) == node.is_required:
            wrong.append((place.path, "no collection"))
    assert wrong == []


@every_table
def test_what_is_too_long_or_in_no_dictionary_is_refused(name: str, infno: str) -> None:
    judge = validator(name, f"request-{infno}")
    good = without_nothing(good_message(infno, DIALECTS[name], orders=2))
    wrong = []
    for place, field in fields_of(DIALECTS[name], infno, "text", "number", "date", "datetime"):
        bad: dict[str, list[Any]] = {
            "text": ["某" * (field.length + 1), 1.5, "\0", {}],
            "number": ["1" * (field.length + 1), 10**field.length, f"0.{'1' * (field.places + 1)}", "a", {}],
            "date": ["2026-02-29", "1900-01-01", "2100-01-01", "2026-03-04 10:00:00", 1],
            "datetime": ["2026-02-29 10:00:00", "2026-03-04 24:00:00", "2026-03-04", 1],
        }
        if field.codes is not None and field.unknown == "refused":
            bad["text"].append("Z9")
        wrong += [
            (place.path, value) for value in bad[field.kind] if judge.is_valid(with_value(good, place.steps, value))
        ]
    assert wrong == []


# --- and the gateway


class Asked:
    """A gateway over a real store and journal, asked by ASGI from another thread: its loop has one of its own."""

    def __init__(self, url: str, rule_set: RuleSet, folder: Path, dialect: Dialect) -> None:
        self._url, self._rule_set, self._folder, self._dialect = url, rule_set, folder, dialect
        self._loop = asyncio.new_event_loop()
        self._ready: Future[tuple[HospitalServer, Service, Journal]] = Future()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._live()))
        self._thread.start()
        self._server, self._service, self._journal = self._ready.result(PATIENCE)

    async def _live(self) -> None:
        try:
            async with (
                open_service(self._url, self._rule_set, VAULT) as service,
                open_journal(self._folder) as journal,
            ):
                gateway = Gateway(service.pool, self._rule_set, journal, PSEUDONYMS, VAULT, Limits(budget=60.0))
                keys = Keys("none", self._dialect, Sessions(VAULT, (), timedelta(hours=1)))
                server = HospitalServer(gateway, self._dialect, keys, Rates(1e9), lambda: True)
                self._ready.set_result((server, service, journal))
                await self._over.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """What a request is answered."""
        return asyncio.run_coroutine_threadsafe(self._post(path, body), self._loop).result(PATIENCE)

    async def _post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._server({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    def stored(self) -> dict[str, int]:
        """How many requests, replies and dead letters the store has once all was passed on, and what was lost."""
        return asyncio.run_coroutine_threadsafe(self._stored(), self._loop).result(PATIENCE)

    async def _stored(self) -> dict[str, int]:
        while await send_unsent(self._journal, self._service.bus):
            pass
        await self._service.start()
        await until_done(self._service)
        counts = {}
        async with borrowed(self._service.pool) as connection:
            for table in ("prescriptions", "replies", "dead_letters"):
                counts[table] = await connection.fetchval(f"select count(*) from {table}")
            counts["lost"] = (await reconcile(connection)).lost
        return counts

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)
        self._loop.close()


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
def asked(
    request: pytest.FixtureRequest, new_database: Callable[[], str], rule_set: RuleSet, tmp_path: Path
) -> Iterator[Asked]:
    name = request.node.callspec.params.get("name", "national")
    opened = Asked(new_database(), rule_set, tmp_path / "journal", DIALECTS[name])
    yield opened
    opened.close()


@every_dialect
def test_every_example_is_answered_as_the_document_says(name: str, asked: Asked) -> None:
    for path, item in DOCUMENTS[name]["paths"].items():
        for infno in INFNOS if "post" in item else ():
            if item["post"]["operationId"] in (infno, "all"):
                message = {**example_request(infno, datetime.now(UTC), DIALECTS[name]), "msgid": infno}
                status, answer = asked.post(path, body_of(message))
                assert (status, list(validator(name, f"taken-{infno}").iter_errors(answer))) == (200, [])
                if infno in PHASES:
                    assert answer["output"]["result"]
                status, refused = asked.post(path, body_of({**message, "msgid": ""}))
                assert (status, list(validator(name, "refused").iter_errors(refused))) == (200, [])


def operation(path: str) -> APIOperation[Any, Any, Any, Any]:
    """An address of the national document as Schemathesis has it."""
    return schemathesis.openapi.from_dict(DOCUMENTS["national"])[path]["POST"]


def rounded(value: Any) -> Any:
    """A message with two digits behind the point of each number, at most: the document says no number of them."""
    if isinstance(value, dict):
        return {name: rounded(of) for name, of in value.items()}
    if isinstance(value, list):
        return [rounded(of) for of in value]
    return round(value, 2) if isinstance(value, float) else value


TRIED = {"/9001": 6, "/9002": 3, "/3103": 8, "/3101": 3}
"""How many messages of each kind are made in each way by ``make test``."""

MANY = 8
"""How many times as many by ``make faults``: one of 3101 takes a second to make."""


def generated(asked: Asked, path: str, mode: GenerationMode, most: int) -> list[tuple[Any, int, dict[str, Any]]]:
    """Messages that the document takes, or does not, each with what it was answered. No two have a number."""
    answered: list[tuple[Any, int, dict[str, Any]]] = []

    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation(path).as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        body = case.body
        if mode is GenerationMode.POSITIVE:
            body = {**rounded(body), "msgid": f"m{len(answered)}"}
        raw = body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
        answered.append((body, *asked.post(path, raw)))

    ask()
    return answered


def holds_for(asked: Asked, path: str, count: int) -> None:
    """Whatever comes is answered in form, what the document takes is taken in, and all that is refused is kept."""
    infno = path[1:]
    taken, refused = validator("national", f"taken-{infno}"), validator("national", "refused")
    good = generated(asked, path, GenerationMode.POSITIVE, count)
    assert [(status, says["err_msg"]) for _, status, says in good if status != 200 or not taken.is_valid(says)] == []
    bad = generated(asked, path, GenerationMode.NEGATIVE, count)
    assert {status for _, status, _ in bad} == {200}
    assert [says for _, _, says in bad if not (taken.is_valid(says) or refused.is_valid(says))] == []
    refusals = sum(says["infcode"] == -1 for _, _, says in bad)
    stored = asked.stored()
    assert (stored["dead_letters"], stored["lost"]) == (refusals, 0)
    assert bool(stored["prescriptions"]) == (infno in PHASES)
    assert bool(stored["replies"]) == (infno == "3103")


@pytest.mark.parametrize("path", TRIED)
def test_what_the_document_takes_is_taken_in_and_whatever_comes_is_answered_in_form(path: str, asked: Asked) -> None:
    holds_for(asked, path, TRIED[path])


@pytest.mark.faults
@pytest.mark.parametrize("path", TRIED)
def test_the_same_for_many(path: str, asked: Asked) -> None:
    holds_for(asked, path, MANY * TRIED[path])
