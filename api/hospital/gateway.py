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
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from api.hospital.answering import analysis, envelope, written_instant
from api.hospital.checking import Checked, check_message, error_words
from api.hospital.dialect import Dialect
from api.hospital.faults import Fault
from api.hospital.receipts import find_receipt
from api.hospital.requests import NO_AREA, Request, replies_of, requests_of
from api.hospital.sender import Sender
from api.hospital.sessions import Sessions, sign_no_hash
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, NotAsked, Prescription
from knowledge_base.events.replies import Reply
from rules_lib.advising import Book, book_of, hints_of, joined, of_warning, once_said, told_by, warnings_of
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.asking import Told, ask, find_advices, find_stored
from streams.messages.codec import decode_stored, encode_event
from streams.messages.guomi import CannotOpen
from streams.messages.pseudonyms import Pseudonyms
from streams.messages.refusals import KEY, NOBODY, encode_refusal
from streams.messages.vault import Vault
from streams.store.events.prescriptions import find_told, find_warned
from streams.store.people.sign_ins import save_ended
from streams.store.sessions import Connection, Pool, borrowed_in_time, passes_by_itself
from streams.topics import PRESCRIPTIONS, REPLIES

logger = logging.getLogger("fundwatch.gateway")

OUT_OF_TIME, STORE_AWAY, FAILED = "超过时限 / out of time", "数据库不可用 / store away", "内部错误 / failed"
OTHER_ADDRESS = Fault("infno", "infno", "交易编号", "与地址不同 / not what the address says")
OTHER_SENDER = Fault("fixmedins_code", "fixmedins_code", "定点医药机构编号", "与密钥所属机构不同 / not the key's own")
OTHER_BODY = Fault("msgid", "msgid", "发送方报文ID", "重复且内容不同 / came before with another body")
OWN_KEY = Fault(
    "input.signIn.session_key",
    "session_key",
    "会话密钥",
    "须用机构密钥签到 / to be sent with the institution's own key",
)
NOT_OPENED = Fault(
    "input.signIn.session_key",
    "session_key",
    "会话密钥",
    "无法用本系统的SM2密钥解开 / not sealed to the SM2 key of this system",
)
OTHER_SESSION = Fault("sign_no", "sign_no", "签到编号", "不是本密钥的会话 / no session of this key")
NOT_KEPT = "暂时无法保存, 请稍后重发, 诊疗不受影响 / cannot be kept at this moment, please send again; care goes on"

NO_SUCH_WARNING = "未查到此提示, 请核对违规标识 / no warning of this id is known here, please check it"
OTHERS_WARNING = "是其他机构的提示 / the warning was another institution's"

_CODE_BYTES = 10

E = TypeVar("E", bound=Event)
V = TypeVar("V")


class Keeper(Protocol):
    """What keeps messages until the bus has them (``streams.journal``)."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Returns once they are durable. Raises ``OSError`` where they are not."""


class Limits(msgspec.Struct, frozen=True):
    """``budget`` is how long an answer may take, ``kept_for`` for how long answers and requests are remembered, both
    in seconds; ``judged_within`` is the part of the budget that is left for what the rules say, ``most_known`` how many
    answers, and patients' requests, are remembered, ``receipts_for`` for how long a receipt is told."""

    budget: float = 0.45
    judged_within: float = 0.75
    kept_for: float = 600.0
    most_known: int = 20_000
    receipts_for: timedelta = timedelta(days=730)


class Said(msgspec.Struct, frozen=True):
    """A message as it came, and what it says; ``due`` is when it has to be answered, by the loop's clock.

    ``sent_by`` is who has proven to have sent it, ``None`` where nobody has to.
    """

    body: bytes
    dialect: Dialect
    sent_by: Sender | None
    checked: Checked
    received_at: datetime
    due: float

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
        return told if isinstance(told, str) else NOBODY

    def answer(self, now: datetime, **said: Any) -> bytes:
        return envelope(self.dialect, self.values.get("mdtrtarea_admvs"), self.received_at, now, **said)


Outcome = Literal["judged", "not judged", "taken", "refused", "not kept", "failed"]
"""What became of a message: judged or not judged in time, taken without being judged, refused for what it says, or not
kept, or failed, in both of which cases it is to be sent again."""

KEPT: frozenset[Outcome] = frozenset({"judged", "not judged", "taken"})
"""Outcomes whose answer is the one that the same message gets again."""


class Answered(msgspec.Struct, frozen=True):
    """An answer, and what became of the message."""

    body: bytes
    outcome: Outcome


Watch = Callable[[str, str, float], None]
"""Who is told of each answer: number of the message, outcome (``again`` for one that was given before), seconds."""


class Known(msgspec.Struct, frozen=True):
    """An answer that was given, or is being worked out, and the fingerprint of what was asked."""

    fingerprint: bytes
    answer: "asyncio.Future[Answered]"
    since: float


class Recent(NamedTuple):
    """A request that was answered by this process, and may not be in the store yet."""

    since: float
    told: Told


class SaidTo(NamedTuple):
    """To which institution a warning was said by this process, which may not be in the store yet."""

    since: float
    institution: str


class Begun(NamedTuple):
    """An event of which it is not known whether it was kept, or whether who sent it was answered."""

    since: float
    event: Event


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
        sessions: Sessions | None = None,
        watch: Watch = lambda infno, outcome, seconds: None,
        writing: Pool | None = None,
        is_in_force: bool = True,
    ):
        """``writing`` is where the store is told that a session was ended, if ``pool`` lets nothing be written.

        ``is_in_force`` says whether the set is that of the store: by another one nothing is judged.
        """
        self.pool = pool
        self.writing = writing or pool
        self.journal = journal
        self.pseudonyms = pseudonyms
        self.vault = vault
        self.limits = limits
        self.now = now
        self.sessions = sessions
        self.watch = watch
        self.book: Book = book_of(rule_set, {})
        self.is_in_force = is_in_force
        self._answers: Mapping[str, Callable[[Said, bytes], Coroutine[Any, Any, Answered]]] = {
            "3101": self._analyse,
            "3102": self._analyse,
            "3103": self._take_replies,
            "9001": self._sign_in,
            "9002": self._sign_out,
        }
        self._known: dict[tuple[str, str], Known] = {}
        self._recent: dict[tuple[str, str], list[Recent]] = {}
        self._said_to: dict[str, SaidTo] = {}
        self._replies: dict[str, Reply] = {}
        self._begun: dict[str, Begun] = {}

    def judge_by(self, rule_set: RuleSet, institutions: Mapping[str, str]) -> None:
        """Takes up another set, or other names of institutions."""
        self.book = book_of(rule_set, institutions)
        self.is_in_force = True

    async def answer(
        self, body: bytes, dialect: Dialect, infno: str | None = None, sent_by: Sender | None = None
    ) -> bytes:
        """The answer to a message, which is in form whatever the message holds and whatever fails.

        ``infno`` is what its address says that it is. ``sent_by`` is who has proven to have sent it, where that is due:
        nobody speaks for another.
        """
        began = asyncio.get_running_loop().time()
        message = Said(body, dialect, sent_by, check_message(body, dialect), self.now(), began + self.limits.budget)
        answered, is_again = await self._answer_once(message, infno)
        seconds = asyncio.get_running_loop().time() - began
        self.watch(
            message.infno if message.infno in self._answers else "?", "again" if is_again else answered.outcome, seconds
        )
        return answered.body

    async def receipt(self, code: str, sent_by: Sender | None) -> bytes | None:
        """What is kept of what was asked under a code, for who may know it (``receipts``). Raises ``Away``."""
        since = self.now() - self.limits.receipts_for
        return await find_receipt(self.pool, code, sent_by, since, self.limits.budget)

    async def _answer_once(self, message: Said, infno: str | None) -> tuple[Answered, bool]:
        """The answer to a message, and whether it was given, or is being worked out, for the same one before."""
        faults: Sequence[Fault] = message.checked.faults
        if not faults and infno not in (None, message.infno):
            faults = (OTHER_ADDRESS,)
        if not faults and message.sent_by is not None and message.sender not in message.sent_by.institutions:
            faults = (OTHER_SENDER,)
        if faults:
            return await self._refuse(message, faults), False
        self._forget()
        key, fingerprint = (message.sender, message.values["msgid"]), self.pseudonyms.fingerprint(message.body)
        known = self._known.get(key)
        is_again = known is not None
        if known is not None and known.fingerprint != fingerprint:
            return await self._refuse(message, (OTHER_BODY,)), False
        if known is None:
            working = asyncio.ensure_future(self._answers[message.infno](message, fingerprint))
            known = self._known[key] = Known(fingerprint, working, asyncio.get_running_loop().time())
        try:
            answered = await asyncio.shield(known.answer)
        except Exception:
            logger.exception("a message of kind %s is not answered", message.infno)
            answered = Answered(message.answer(self.now(), err_msg=FAILED), "failed")
        if answered.outcome not in KEPT and self._known.get(key) is known:
            del self._known[key]
        return answered, is_again

    async def _analyse(self, message: Said, fingerprint: bytes) -> Answered:
        """3101, 3102: what the rules say of orders."""
        requests = requests_of(message.values, message.received_at, self.pseudonyms)
        if not requests:
            return await self._refuse(message, (NO_AREA,))
        kept = self._begun_before([of.prescription for of in requests])
        advices = [of.advice for of in kept if of.advice is not None]
        if any(of.fingerprint != fingerprint.hex() for of in advices):
            return await self._refuse(message, (OTHER_BODY,))
        if not kept:
            code, book = b32encode(secrets.token_bytes(_CODE_BYTES)).decode(), self.book
            advices = await self._advise(message, requests, code, book, fingerprint)
            if advices[0].fingerprint:
                return await self._answer_again(message, requests, advices, fingerprint)
            advices = [replace(of, fingerprint=fingerprint.hex()) for of in advices]
            kept = [replace(of.prescription, advice=advice) for of, advice in zip(requests, advices, strict=True)]
        if not await self._keep(message, PRESCRIPTIONS, [(f"{of.area}/{of.patient}", of) for of in kept]):
            return self._not_kept(message)
        now = asyncio.get_running_loop().time()
        for request, of in zip(requests, kept, strict=True):
            self._remember(Recent(now, Told(of, request.digest)))
        return self._said(message, requests, advices)

    async def _answer_again(
        self, message: Said, requests: Sequence[Request], advices: Sequence[Advice], fingerprint: bytes
    ) -> Answered:
        """What the store says that was answered to a message of this number, if it was this one."""
        if {of.fingerprint for of in advices} != {fingerprint.hex()}:
            return await self._refuse(message, (OTHER_BODY,))
        return self._said(message, requests, advices)

    def _said(self, message: Said, requests: Sequence[Request], advices: Sequence[Advice]) -> Answered:
        output = analysis(requests, advices, self.book, message.values["input"]["data"]["task_id"])
        outcome: Outcome = "judged" if advices[0].rule_set is not None else "not judged"
        return Answered(message.answer(self.now(), output=output), outcome)

    async def _take_replies(self, message: Said, fingerprint: bytes) -> Answered:
        """3103: what was done about warnings."""
        replies = replies_of(message.values, message.received_at, self.vault)
        before = self._begun_before(replies) or await self._stored_before(message, replies)
        if any(not self._says_the_same(*of) for of in zip(replies, before, strict=False)):
            return await self._refuse(message, (OTHER_BODY,))
        replies = before
        not_counted = await self._not_counted(message, replies)
        if not await self._keep(message, REPLIES, [(of.warning_id, of) for of in replies]):
            return self._not_kept(message)
        for reply in replies:
            self._remember_reply(reply)
        output = {"not_counted": not_counted} if not_counted else {}
        return Answered(message.answer(self.now(), output=output), "taken")

    async def _stored_before(self, message: Said, replies: Sequence[Reply]) -> list[Reply]:
        """Replies as they are stored under their names, those that are not stored as they are said now.

        Without the store, or past its time, all are: what its reader finds stored otherwise is a conflict there.
        """
        found: Mapping[str, Event] = {}
        if self.is_in_force:
            try:
                async with asyncio.timeout_at(self._judged_by(message)), borrowed_in_time(self.pool) as connection:
                    found = await find_stored(connection, replies)
            except Exception as error:  # noqa: BLE001 - whatever fails, the reply is taken
                logger.info("replies of before are not looked up: %s", type(error).__name__)
        before = [(of, found.get(of.event_id)) for of in replies]
        return [stored if isinstance(stored, Reply) else of for of, stored in before]

    async def _not_counted(self, message: Said, replies: Sequence[Reply]) -> list[dict[str, str]]:
        """Replies that count for no warning, and why: nobody said it, or to another institution.

        Of a warning that this process did not say nothing is told where the store does not answer in time.
        """
        said = {of.warning_id: self._said_to[of.warning_id] for of in replies if of.warning_id in self._said_to}
        institutions = {name: of.institution for name, of in said.items()}
        others = {(of.area, of.warning_id) for of in replies if of.warning_id not in said}
        is_known = not others
        if others and self.is_in_force:
            try:
                async with asyncio.timeout_at(self._judged_by(message)), borrowed_in_time(self.pool) as connection:
                    institutions |= await find_warned(connection, others)
                    is_known = True
            except Exception as error:  # noqa: BLE001 - whatever fails, the reply is taken
                logger.info("warnings that were replied to are not looked up: %s", type(error).__name__)
        found = []
        for reply in replies:
            institution = institutions.get(reply.warning_id)
            if institution is None and is_known:
                found.append({"warn_rslt_id": reply.warning_id, "reason": NO_SUCH_WARNING})
            elif institution not in (None, reply.institution):
                found.append({"warn_rslt_id": reply.warning_id, "reason": OTHERS_WARNING})
        return found

    def _judged_by(self, message: Said) -> float:
        """Until when the store may be asked, by the loop's clock: the rest is left for keeping and answering."""
        return message.due - self.limits.budget * (1 - self.limits.judged_within)

    async def _sign_in(self, message: Said, fingerprint: bytes) -> Answered:
        """9001: a number of the session, which requests may carry along, or sign with where its key was agreed on."""
        told = {"sign_time": written_instant(message.received_at), "sign_no": secrets.token_hex(15)}
        sealed, sent_by = message.values["input"]["signIn"]["session_key"], message.sent_by
        if sealed is not None and self.sessions is not None and sent_by is not None:
            if sent_by.in_session or sent_by.key_id is None:
                return await self._refuse(message, (OWN_KEY,))
            try:
                async with asyncio.timeout_at(message.due):
                    sign_no, session = await self.sessions.agree(sent_by.key_id, sealed)
            except CannotOpen:
                return await self._refuse(message, (NOT_OPENED,))
            except TimeoutError:
                return self._not_kept(message)
            told |= {"sign_no": sign_no, "expi_time": written_instant(session.ends_at)}
        return Answered(message.answer(self.now(), output={"signinoutb": told}), "taken")

    async def _sign_out(self, message: Said, fingerprint: bytes) -> Answered:
        """9002: ends a session for every process; a number that names none of ours ends nothing."""
        sign_no = message.values["input"]["signOut"]["sign_no"] or message.values["sign_no"]
        session = self.sessions.opened(sign_no) if self.sessions is not None and sign_no is not None else None
        if session is not None and self.sessions is not None:
            if message.sent_by is not None and session.key_id != message.sent_by.key_id:
                return await self._refuse(message, (OTHER_SESSION,))
            try:
                async with asyncio.timeout_at(message.due), borrowed_in_time(self.writing) as connection:
                    await save_ended(connection, sign_no_hash(sign_no), session.ends_at)
            except Exception as error:  # noqa: BLE001 - whatever fails, the hospital is answered
                logger.warning("a session cannot be ended at this moment: %s", type(error).__name__)
                return self._not_kept(message)
            self.sessions.end(sign_no, session)
        output = {"signoutoutb": {"sign_time": written_instant(message.received_at)}}
        return Answered(message.answer(self.now(), output=output), "taken")

    async def _advise(
        self, message: Said, requests: Sequence[Request], code: str, book: Book, fingerprint: bytes
    ) -> list[Advice]:
        """What is said of each encounter, or was said under this number before (then with its fingerprint).

        Without what the rules say where that takes too long or fails.
        """
        if not self.is_in_force:
            return self._not_advised(requests, code, book, STORE_AWAY)
        try:
            async with asyncio.timeout_at(self._judged_by(message)):
                async with borrowed_in_time(self.pool) as connection:
                    before = await find_advices(connection, [request.prescription for request in requests])
                    if len(before) == len(requests) or any(of.fingerprint != fingerprint.hex() for of in before):
                        return before
                    return await self._judge(connection, requests, code, book)
        except TimeoutError:
            reason = OUT_OF_TIME
        except Exception as error:  # noqa: BLE001 - whatever fails, the hospital is answered and care goes on
            reason = STORE_AWAY if passes_by_itself(error) else FAILED
            logger.warning("orders are not judged: %s", type(error).__name__)
        return self._not_advised(requests, code, book, reason)

    def _not_advised(self, requests: Sequence[Request], code: str, book: Book, reason: str) -> list[Advice]:
        rules = book.rule_set.of("patient", requests[0].prescription.phase).rules
        not_asked = tuple(NotAsked(rule.id, reason) for rule in rules if rule.is_live)
        return [Advice(code, self.now(), not_asked=not_asked) for _ in requests]

    async def _judge(self, connection: Connection, requests: Sequence[Request], code: str, book: Book) -> list[Advice]:
        phase = requests[0].prescription.phase
        rules = book.rule_set.of("patient", phase)
        of_patients: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            of_patients[request.prescription.area, request.prescription.patient].append(place)
        advices: dict[int, Advice] = {}
        for (area, patient), places in of_patients.items():
            asked = [requests[place].prescription for place in places]
            recent = self._recent.get((area, patient), ())
            digests = [requests[place].digest for place in places]
            judged = await ask(connection, area, digests, [of.told for of in recent], self._replies, rules)
            named = code if len(of_patients) == 1 else f"{code}-{len(advices) + 1}"
            warnings = warnings_of(judged.said, asked, book, f"{area}-{named}")
            told = told_by([of.told.request for of in recent], phase)
            if warnings:
                names = {of_warning(area, warning) for _, warning in warnings}
                told = joined(told, await find_told(connection, area, phase, names))
            warnings = once_said(warnings, asked, told)
            hints = hints_of(judged.said, asked, book)
            for index, place in enumerate(places):
                advices[place] = Advice(
                    code,
                    self.now(),
                    rule_set=book.rule_set.hash,
                    as_of=judged.as_of,
                    warnings=tuple(warning for at, warning in warnings if at == index),
                    hints=tuple(hint for at, hint in hints if at == index),
                )
        return [advices[place] for place in range(len(requests))]

    async def _keep(self, message: Said, topic: str, events: Sequence[tuple[str, Event]]) -> bool:
        """Makes events durable, each under its key; false where that cannot be done in time."""
        messages = [Message(key.encode(), encode_event(of), f"gateway {of.sender}") for key, of in events]
        is_kept = await self._append(message, topic, messages)
        for _, of in events:
            if is_kept:
                self._begun.pop(of.event_id, None)
            elif is_kept is None:
                self._begin(of)
        return bool(is_kept)

    async def _append(self, message: Said, topic: str, messages: Sequence[Message]) -> bool | None:
        """Whether messages are durable; ``None`` where that was not known in time."""
        try:
            async with asyncio.timeout_at(message.due):
                await self.journal.append(topic, messages)
        except OSError as error:
            logger.warning("nothing is kept at this moment: %s", type(error).__name__)
            return None if isinstance(error, TimeoutError) else False
        return True

    def take_up(self, messages: Iterable[tuple[str, Message]]) -> None:
        """Takes up, topic by topic, what an earlier process kept last: it may have died before it answered.

        The same message gets the same answer then, and is kept again as it was, which readers drop.
        """
        now = asyncio.get_running_loop().time()
        for topic, message in messages:
            if topic in (PRESCRIPTIONS, REPLIES) and message.key != KEY and message.value is not None:
                event = decode_stored(message.value)
                self._begin(event)
                if isinstance(event, Prescription):
                    self._remember(Recent(now, Told(event, prescription_digest(event))))
                elif isinstance(event, Reply):
                    self._remember_reply(event)

    def _begin(self, event: Event) -> None:
        self._begun.pop(event.event_id, None)
        self._begun[event.event_id] = Begun(asyncio.get_running_loop().time(), event)

    def _begun_before(self, events: Sequence[E]) -> list[E]:
        """What was begun under the names of some events, all of them; empty where one of them was not."""
        begun = [self._begun[of.event_id].event for of in events if of.event_id in self._begun]
        found = [of for of, event in zip(begun, events, strict=False) if isinstance(of, type(event))]
        return found if len(found) == len(events) else []

    def _says_the_same(self, one: Reply, other: Reply) -> bool:
        """Whether two replies say the same, whenever they were told; reasons are sealed anew each time."""
        opened = [replace(of, happened_at=one.happened_at, reason=self._opened(of.reason)) for of in (one, other)]
        return opened[0] == opened[1]

    def _opened(self, reason: str | None) -> str | None:
        return None if reason is None else self.vault.open(reason.encode()).decode()

    async def _refuse(self, message: Said, faults: Sequence[Fault]) -> Answered:
        """Refuses a message, which lands in dead letters with its bytes."""
        reasons = [f"{of.path or 'message'}: {of.rule}" for of in faults]
        said = (message.sender, message.infno, message.received_at)
        refusal = Message(KEY, encode_refusal(reasons, message.body, self.vault, *said), f"gateway {message.sender}")
        if not await self._append(message, PRESCRIPTIONS, [refusal]):
            return self._not_kept(message)
        return Answered(message.answer(self.now(), err_msg=error_words(tuple(faults))), "refused")

    def _not_kept(self, message: Said) -> Answered:
        return Answered(message.answer(self.now(), err_msg=NOT_KEPT), "not kept")

    def _remember(self, recent: Recent) -> None:
        patient = recent.told.request.area, recent.told.request.patient
        self._recent[patient] = [*self._recent.pop(patient, []), recent]
        request = recent.told.request
        for warning in request.advice.warnings if request.advice is not None else ():
            self._said_to.pop(warning.warning_id, None)
            self._said_to[warning.warning_id] = SaidTo(recent.since, request.institution)

    def _remember_reply(self, reply: Reply) -> None:
        self._replies.pop(reply.warning_id, None)
        self._replies[reply.warning_id] = reply

    def _forget(self) -> None:
        """Lets go of what is older than it is kept for, and of the oldest of too many: answers, requests, replies."""
        most, oldest = self.limits.most_known, asyncio.get_running_loop().time() - self.limits.kept_for
        told_before = self.now() - timedelta(seconds=self.limits.kept_for)
        _let_go(self._begun, most, lambda begun: begun.since < oldest)
        _let_go(self._known, most, lambda known: known.since < oldest)
        _let_go(self._said_to, most, lambda said: said.since < oldest)
        _let_go(self._recent, most, lambda recent: recent[-1].since < oldest)
        _let_go(self._replies, most, lambda reply: reply.happened_at < told_before)


def _let_go(remembered: dict[Any, V], most: int, is_old: Callable[[V], bool]) -> None:
    """Takes out the oldest for as long as they are old, or there are too many."""
    while remembered and (len(remembered) > most or is_old(next(iter(remembered.values())))):
        del remembered[next(iter(remembered))]
