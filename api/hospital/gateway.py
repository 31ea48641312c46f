"""The gateway: one hospital message in, one answer out, within its budget and durable before it is given.

    check -> known already? -> what the rules say -> journal -> answer

Care comes first: past the budget, or without the store, the answer says which rules were not asked, and whatever was
asked is kept all the same. It knows no HTTP.
"""

import asyncio
import logging
import secrets
from base64 import b32encode
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from api.hospital.advising import Book, book_of, warnings_of
from api.hospital.answering import analysis, envelope, written_instant
from api.hospital.checking import Checked, check_message, error_words
from api.hospital.dialect import Dialect
from api.hospital.faults import Fault
from api.hospital.requests import NO_AREA, Request, replies_of, requests_of
from knowledge_base.digests.prescriptions import PrescriptionDigest, prescription_digest
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, NotAsked
from rules_lib.rule import Phase
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.asking import ask
from streams.messages.codec import encode_event
from streams.messages.identifiers import with_trimmed
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.refusals import KEY, encode_refusal
from streams.messages.vault import Vault
from streams.store.sessions import Pool, borrowed, passes_by_itself
from streams.topics import PRESCRIPTIONS, REPLIES

logger = logging.getLogger("fundwatch.gateway")

OUT_OF_TIME, STORE_AWAY, FAILED = "超过时限 / out of time", "数据库不可用 / store away", "内部错误 / failed"
OTHER_ADDRESS = Fault("infno", "infno", "交易编号", "与地址不同 / not what the address says")
OTHER_SENDER = Fault("fixmedins_code", "fixmedins_code", "定点医药机构编号", "与密钥所属机构不同 / not the key's own")
OTHER_BODY = Fault("msgid", "msgid", "发送方报文ID", "重复且内容不同 / came before with another body")
NOT_KEPT = "暂时无法保存, 请稍后重发, 诊疗不受影响 / cannot be kept at this moment, please send again; care goes on"

_CODE_BYTES = 10


class Keeper(Protocol):
    """What keeps messages until the bus has them (``streams.journal``)."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Returns once they are durable. Raises ``OSError`` where they are not."""


class Limits(msgspec.Struct, frozen=True):
    """``budget`` is how long an answer may take, ``kept_for`` for how long answers and requests are remembered, both
    in seconds; ``judged_within`` is the part of the budget that is left for what the rules say, ``most_known`` how many
    answers, and patients' requests, are remembered."""

    budget: float = 0.45
    judged_within: float = 0.75
    kept_for: float = 600.0
    most_known: int = 20_000


class Said(msgspec.Struct, frozen=True):
    """A message as it came, and what it says."""

    body: bytes
    dialect: Dialect
    checked: Checked
    received_at: datetime

    @property
    def values(self) -> Mapping[str, Any]:
        return self.checked.values

    @property
    def infno(self) -> str:
        return self.checked.infno or ""

    @property
    def sender(self) -> str:
        """Who says to have sent it, as far as that can be read and stored as a source."""
        told = self.values.get("fixmedins_code")
        return told if isinstance(told, str) else "?"

    def answer(self, now: datetime, **said: Any) -> bytes:
        return envelope(self.dialect, self.values.get("mdtrtarea_admvs"), self.received_at, now, **said)


class Answered(msgspec.Struct, frozen=True):
    """An answer, and whether it is the one that the same message gets again."""

    body: bytes
    is_kept: bool = False


class Known(msgspec.Struct, frozen=True):
    """An answer that was given, or is being worked out, and the fingerprint of what was asked."""

    fingerprint: bytes
    answer: "asyncio.Future[Answered]"
    since: float


class Gateway:
    """Answers hospitals' messages in one process."""

    def __init__(
        self,
        pool: Pool,
        rule_set: RuleSet,
        journal: Keeper,
        pseudonyms: Pseudonyms,
        vault: Vault,
        limits: Limits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self.pool = pool
        self.journal = journal
        self.pseudonyms = pseudonyms
        self.vault = vault
        self.limits = limits
        self.now = now
        self.book: Book = book_of(rule_set, {})
        self._answers: Mapping[str, Callable[[Said, bytes], Coroutine[Any, Any, Answered]]] = {
            "3101": self._analyse,
            "3102": self._analyse,
            "3103": self._take_replies,
            "9001": self._sign_in,
            "9002": self._sign_out,
        }
        self._known: dict[tuple[str, str], Known] = {}
        self._recent: dict[tuple[str, str], list[tuple[float, PrescriptionDigest]]] = {}

    def judge_by(self, rule_set: RuleSet, institutions: Mapping[str, str]) -> None:
        """Takes up another set, or other names of institutions."""
        self.book = book_of(rule_set, institutions)

    async def answer(
        self, body: bytes, dialect: Dialect, infno: str | None = None, speaks_for: Collection[str] | None = None
    ) -> bytes:
        """The answer to a message, which is in form whatever the message holds and whatever fails.

        ``infno`` is what its address says that it is. ``speaks_for`` are the institutions whose key it came with, where
        one is needed: nobody speaks for another.
        """
        message = Said(body, dialect, check_message(body, dialect), self.now())
        if message.checked.faults:
            return await self._refuse(message, message.checked.faults)
        if infno not in (None, message.infno):
            return await self._refuse(message, (OTHER_ADDRESS,))
        sender = message.values["fixmedins_code"]
        if speaks_for is not None and sender not in speaks_for:
            return await self._refuse(message, (OTHER_SENDER,))
        self._forget()
        key, fingerprint = (sender, message.values["msgid"]), self.pseudonyms.fingerprint(body)
        known = self._known.get(key)
        if known is not None and known.fingerprint != fingerprint:
            return await self._refuse(message, (OTHER_BODY,))
        if known is None:
            working = asyncio.ensure_future(self._answers[message.infno](message, fingerprint))
            known = self._known[key] = Known(fingerprint, working, asyncio.get_running_loop().time())
        try:
            answered = await asyncio.shield(known.answer)
        except Exception:
            logger.exception("a message of kind %s is not answered", message.infno)
            answered = Answered(message.answer(self.now(), err_msg=FAILED))
        if not answered.is_kept and self._known.get(key) is known:
            del self._known[key]
        return answered.body

    async def _analyse(self, message: "Said", fingerprint: bytes) -> "Answered":
        """3101, 3102: what the rules say of orders."""
        requests = requests_of(message.values, message.received_at, self.pseudonyms)
        if not requests:
            return Answered(await self._refuse(message, (NO_AREA,)))
        requests = [replace(of, prescription=with_trimmed(of.prescription)) for of in requests]
        code, book = b32encode(secrets.token_bytes(_CODE_BYTES)).decode(), self.book
        advices = await self._advise(requests, code, book)
        advices = [replace(of, fingerprint=fingerprint.hex()) for of in advices]
        kept = [replace(of.prescription, advice=advice) for of, advice in zip(requests, advices, strict=True)]
        if not await self._keep(PRESCRIPTIONS, [(f"{of.area}/{of.patient}", of) for of in kept]):
            return Answered(message.answer(self.now(), err_msg=NOT_KEPT))
        now = asyncio.get_running_loop().time()
        for of in kept:
            self._remember((of.area, of.patient), now, prescription_digest(of))
        task_id = message.values["input"]["data"]["task_id"]
        output = analysis(requests, advices, book, task_id)
        return Answered(message.answer(self.now(), output=output), True)

    async def _take_replies(self, message: "Said", fingerprint: bytes) -> "Answered":
        """3103: what was done about warnings."""
        replies = replies_of(message.values, message.received_at, self.vault)
        if not await self._keep(REPLIES, [(of.warning_id, of) for of in replies]):
            return Answered(message.answer(self.now(), err_msg=NOT_KEPT))
        return Answered(message.answer(self.now()), True)

    async def _sign_in(self, message: "Said", fingerprint: bytes) -> "Answered":
        """9001: a number of the session, which requests may carry along."""
        output = {"signinoutb": {"sign_time": written_instant(message.received_at), "sign_no": secrets.token_hex(15)}}
        return Answered(message.answer(self.now(), output=output), True)

    async def _sign_out(self, message: "Said", fingerprint: bytes) -> "Answered":
        """9002."""
        output = {"signoutoutb": {"sign_time": written_instant(message.received_at)}}
        return Answered(message.answer(self.now(), output=output), True)

    async def _advise(self, requests: Sequence[Request], code: str, book: Book) -> list[Advice]:
        """What is said of each encounter; without what the rules say where that takes too long or fails."""
        phase = requests[0].prescription.phase
        try:
            async with asyncio.timeout(self.limits.budget * self.limits.judged_within):
                return await self._judge(requests, code, book, phase)
        except TimeoutError:
            reason = OUT_OF_TIME
        except Exception as error:  # noqa: BLE001 - whatever fails, the hospital is answered and care goes on
            reason = STORE_AWAY if passes_by_itself(error) else FAILED
            logger.warning("orders are not judged: %s", type(error).__name__)
        not_asked = tuple(
            NotAsked(rule.id, reason) for rule in book.rule_set.of("patient", phase).rules if rule.is_live
        )
        return [Advice(code, self.now(), not_asked=not_asked) for _ in requests]

    async def _judge(self, requests: Sequence[Request], code: str, book: Book, phase: Phase) -> list[Advice]:
        rules = book.rule_set.of("patient", phase)
        of_patients: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            of_patients[request.prescription.area, request.prescription.patient].append(place)
        advices: dict[int, Advice] = {}
        async with borrowed(self.pool) as connection:
            for (area, patient), places in of_patients.items():
                asked = [requests[place].prescription for place in places]
                remembered = [digest for _, digest in self._recent.get((area, patient), ())]
                digests = [prescription_digest(of) for of in asked]
                judged = await ask(connection, area, digests, remembered, rules)
                named = code if len(of_patients) == 1 else f"{code}-{len(advices) + 1}"
                warnings = warnings_of(judged.said, asked, book, f"{area}-{named}")
                for index, place in enumerate(places):
                    own = tuple(warning for at, warning in warnings if at == index)
                    advices[place] = Advice(code, self.now(), "", book.rule_set.hash, judged.as_of, own)
        return [advices[place] for place in range(len(requests))]

    async def _keep(self, topic: str, events: Sequence[tuple[str, Event]]) -> bool:
        """Makes events durable, each under its key; false where that cannot be done in time."""
        messages = [Message(key.encode(), encode_event(of), f"gateway {of.sender}") for key, of in events]
        return await self._append(topic, messages)

    async def _append(self, topic: str, messages: Sequence[Message]) -> bool:
        try:
            async with asyncio.timeout(self.limits.budget):
                await self.journal.append(topic, messages)
        except (OSError, TimeoutError) as error:
            logger.warning("nothing is kept at this moment: %s", type(error).__name__)
            return False
        return True

    async def _refuse(self, message: "Said", faults: Sequence[Fault]) -> bytes:
        """Refuses a message, which lands in dead letters with its bytes."""
        reasons = [f"{of.path or 'message'}: {of.rule}" for of in faults]
        refusal = Message(KEY, encode_refusal(reasons, message.body, self.vault), f"gateway {message.sender}")
        is_kept = await self._append(PRESCRIPTIONS, [refusal])
        return message.answer(self.now(), err_msg=error_words(tuple(faults)) if is_kept else NOT_KEPT)

    def _remember(self, patient: tuple[str, str], now: float, digest: PrescriptionDigest) -> None:
        of = self._recent.pop(patient, [])
        self._recent[patient] = [*of, (now, digest)]

    def _forget(self) -> None:
        """Lets go of answers and requests that are older than they are kept for, and of the oldest of too many."""
        oldest = asyncio.get_running_loop().time() - self.limits.kept_for
        while self._known and (
            next(iter(self._known.values())).since < oldest or len(self._known) > self.limits.most_known
        ):
            del self._known[next(iter(self._known))]
        while self._recent and (
            next(iter(self._recent.values()))[-1][0] < oldest or len(self._recent) > self.limits.most_known
        ):
            del self._recent[next(iter(self._recent))]
