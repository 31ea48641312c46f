"""Every route for every role, in one's own place, in another area, at another institution: what is answered.

Whoever asks sees one institution of one area. The table is written by hand, and knows nothing of the program's rights.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.access.passwords import hash_of
from api.access.sessions import _token_hash, csrf_token
from api.frame.site import Site
from casework.accounts import Account
from casework.decisions import Ground, Verdict
from casework.rights import Role
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide
from streams.acts.letters import begin_replay
from streams.handlers.rule_sets import publish
from streams.store.casework.comments import save_comment
from streams.store.casework.decisions import find_holding
from streams.store.casework.listing import Chosen
from streams.store.casework.saved import remove_filter, save_filter
from streams.store.intake.dead_letters import LetterFilter
from streams.store.people import users
from tests.api.story import AREA, COUNTY, TODAY, TOWN, at
from tests.api.test_access import LEAD, LETTER, PERSON, PUBLIC, WARNING, Name, asked
from tests.api.test_sight import BEDS, ELSEWHERE, OTHER, _apply, _elsewhere
from tests.api.warned import advised, order, reply, request, save_asked, warning

__all__ = ["asked"]

PLACES = {"own": (AREA, TOWN), "another area": (OTHER, TOWN), "another institution": (AREA, COUNTY)}
REASON = "与护理记录不符"
TRIED = (BEDS, ELSEWHERE)
"""The rules of the leads on stays, which are tried out in the end."""

EVERYBODY = set(Role)
SEES = EVERYBODY - {Role.OPERATOR}
DECIDES = {Role.INSPECTOR, Role.REVIEWER, Role.HEAD, Role.HANDLING_AGENCY, Role.ADMINISTRATION}
TRIES = {Role.INSPECTOR, Role.REVIEWER, Role.HEAD, Role.AUDITOR}
OPENS = {Role.INSPECTOR, Role.REVIEWER, Role.HEAD, Role.HOSPITAL_OFFICE}
WATCHES = EVERYBODY - {Role.HOSPITAL_OFFICE}
MUTES = DECIDES | {Role.OPERATOR}
KNOWS_PEOPLE = {Role.HEAD, Role.AUDITOR, Role.OPERATOR}
AUDITS = {Role.HEAD, Role.AUDITOR}
HEADS, OPERATES = {Role.HEAD}, {Role.OPERATOR}

OF_INSTITUTIONS = {TOWN: ("sim:S50", "demo-p-0050"), COUNTY: ("sim:S0", "demo-p-0000")}
"""A claim of an institution and its patient. The institution of one's own is the same in another area; its claims are
not."""

KEPT = "kept"
"""The form was not taken: it leads back to its page, which says why."""

Answers = tuple[int | str, int | str, int | str]
"""What is answered in each of the places, in their order."""
Row = tuple[set[Role], Answers]


def anywhere(roles: set[Role], answer: int | str) -> list[Row]:
    """A route that names no place, or one that is of the whole store."""
    return [(roles, (answer, answer, answer))]


def at_home(roles: set[Role], answer: int | str) -> list[Row]:
    """A route on what is seen in one's own place: elsewhere it does not exist."""
    return [(roles, (answer, 404, 404))]


OF_PEOPLE: list[Row] = [(HEADS, (303, KEPT, KEPT)), (OPERATES, (KEPT, KEPT, KEPT))]
"""Heads change the accounts of those who may see and do no more than they; operators cannot change an inspector's."""
OF_PASSWORDS: list[Row] = [(HEADS, (200, KEPT, KEPT)), (OPERATES, (KEPT, KEPT, KEPT))]

MATRIX: Mapping[Name, Sequence[Row]] = {
    ("GET", "/"): anywhere(SEES, 200),
    ("GET", LEAD): at_home(SEES, 200),
    ("GET", f"{LEAD}/list"): at_home(SEES, 200),
    ("GET", f"{LEAD}/list.xlsx"): at_home(SEES, 200),
    ("GET", f"{LEAD}/answers"): at_home(SEES, 200),
    ("POST", f"{LEAD}/answers"): at_home(DECIDES | {Role.HOSPITAL_OFFICE}, KEPT),
    ("GET", "/claims/{area}/{event_id:name}"): at_home(SEES, 200),
    ("GET", "/institutions/{code:name}"): [(SEES, (200, 200, 404))],
    ("GET", "/patients/{area}/{patient:name}"): at_home(SEES, 200),
    ("GET", "/search"): anywhere(SEES, 200),
    ("POST", "/queue/bulk"): anywhere(DECIDES, 303),
    ("POST", "/queue/bulk/{number}/undo"): [(DECIDES, (303, KEPT, KEPT))],
    ("POST", "/queue/next"): anywhere(DECIDES, KEPT),
    ("POST", f"{LEAD}/holder"): at_home(DECIDES, 303),
    ("POST", f"{LEAD}/comments"): at_home(DECIDES, 303),
    ("POST", f"{LEAD}/comments/{{comment_id}}/back"): at_home(DECIDES, 303),
    ("POST", f"{LEAD}/decisions"): at_home(DECIDES, 303),
    ("POST", f"{LEAD}/snooze"): at_home(DECIDES, 303),
    ("POST", f"{LEAD}/undo"): at_home(DECIDES, 303),
    ("POST", "/filters"): anywhere(SEES, 303),
    ("POST", "/filters/{filter_id}"): anywhere(SEES, 303),
    ("POST", "/filters/{filter_id}/back"): anywhere(SEES, 303),
    ("POST", "/filters/{filter_id}/remove"): anywhere(SEES, 303),
    ("GET", "/api/session"): anywhere(EVERYBODY, 200),
    ("GET", "/api/leads"): anywhere(SEES, 200),
    ("GET", f"/api{LEAD}"): at_home(SEES, 200),
    ("GET", "/api/findings/{finding_id}"): at_home(SEES, 200),
    ("POST", f"/api{LEAD}/decisions"): at_home(DECIDES, 201),
    ("POST", f"/api{LEAD}/decisions/{{decision_id}}/undo"): at_home(DECIDES, 201),
    ("GET", "/warnings"): anywhere(SEES, 200),
    ("GET", WARNING): at_home(SEES, 200),
    ("POST", f"{WARNING}/reasons"): at_home(OPENS, 200),
    ("GET", "/api/warnings"): anywhere(SEES, 200),
    ("GET", "/api/warnings/figures"): anywhere(SEES, 200),
    ("GET", f"/api{WARNING}"): at_home(SEES, 200),
    ("POST", f"/api{WARNING}/reasons"): at_home(OPENS, 200),
    ("GET", "/trials"): anywhere(TRIES, 200),
    ("GET", "/trials/{finding_id}"): at_home(TRIES, 200),
    ("GET", "/status"): anywhere(WATCHES, 200),
    ("GET", "/status/lag"): anywhere(WATCHES, 200),
    ("GET", "/silence"): anywhere(WATCHES, 200),
    ("POST", "/silence/mute"): [(MUTES, (303, 303, 404))],
    ("POST", "/silence/unmute"): [(MUTES, (303, 303, 404))],
    ("GET", "/status/reconciliation"): anywhere(WATCHES, 200),
    ("GET", "/status/dead-letters"): anywhere(WATCHES, 200),
    ("GET", LETTER): anywhere(WATCHES, 200),
    ("POST", f"{LETTER}/bytes"): anywhere(OPERATES, 200),
    ("GET", "/status/dead-letters/replay"): anywhere(OPERATES, 200),
    ("POST", "/status/dead-letters/replays"): anywhere(OPERATES, 303),
    ("GET", "/status/dead-letters/replays/{number}"): anywhere(WATCHES, 200),
    ("POST", "/status/dead-letters/replays/{number}"): anywhere(OPERATES, 303),
    ("GET", "/people"): anywhere(KNOWS_PEOPLE, 200),
    ("GET", "/people/new"): anywhere(HEADS | OPERATES, 200),
    ("POST", "/people"): OF_PASSWORDS,
    ("GET", PERSON): anywhere(KNOWS_PEOPLE, 200),
    ("POST", PERSON): OF_PEOPLE,
    ("POST", f"{PERSON}/close"): OF_PEOPLE,
    ("POST", f"{PERSON}/reopen"): OF_PEOPLE,
    ("POST", f"{PERSON}/password"): OF_PASSWORDS,
    ("POST", f"{PERSON}/sign-out"): OF_PEOPLE,
    ("GET", "/audit"): anywhere(AUDITS, 200),
    ("GET", "/account"): anywhere(EVERYBODY, 200),
    ("GET", "/account/today"): anywhere(EVERYBODY, 200),
    ("POST", "/account/password"): anywhere(EVERYBODY, KEPT),
    ("POST", "/account/sign-out"): anywhere(EVERYBODY, 303),
    ("POST", "/sign-out"): anywhere(EVERYBODY, 303),
}
"""By route who may call it and what they are answered; everybody else gets 403."""

LISTS = {("GET", "/"), ("GET", "/api/leads"), ("GET", "/audit"), ("GET", "/trials")}
WARNED = {("GET", "/warnings"), ("GET", "/api/warnings")}
"""Routes that list what there is in every place in sight."""


def expected(name: Name, role: Role) -> Answers:
    """What a role is answered."""
    return next((answers for roles, answers in MATRIX[name] if role in roles), (403, 403, 403))


def test_every_route_has_a_row(asked: dict[Name, list[object]]) -> None:
    assert MATRIX.keys() == asked.keys() - PUBLIC


def test_no_role_stands_twice_in_a_row() -> None:
    for rows in MATRIX.values():
        assert sum(len(roles) for roles, _ in rows) == len(set[Role]().union(*(roles for roles, _ in rows)))


_MUTED = """
    insert into senders (area, institution, kind, muted_until, muted_by, muted_reason)
    values ('*', $1, 'claim', '2099-01-01', 'somebody', 'closed')
    on conflict (area, institution, kind) do update set muted_until = excluded.muted_until
"""
"""Every sender is muted before somebody mutes it, or takes that back."""


@dataclass
class Place:
    """What there is in a place: a lead with a decision, a finding and a comment of it, and somebody's account."""

    lead: str
    finding: str
    login: str
    area: str
    institution: str
    comment: int
    warning: str


@dataclass
class County:
    """A store with the same in each place, and somebody of a role who asks."""

    app: FastAPI
    connection: asyncpg.Connection
    places: dict[str, Place]
    made: list[str] = field(default_factory=list)

    async def ask(self, name: Name, place: Place) -> httpx.Response:
        """Calls a route on what there is in a place, in a session of its own."""
        method, path = name
        token = secrets.token_hex(16)
        assert await users.save_session(self.connection, _token_hash(token), "somebody")
        row = await self.connection.fetchrow("select version, assignee from leads where lead_id = $1", place.lead)
        assert row is not None
        decision = max(await find_holding(self.connection, place.area, place.lead), default=1)
        parts = {"lead_id": place.lead, "finding_id": place.finding, "login": place.login, "decision_id": decision}
        parts |= {"comment_id": place.comment, "number": 1, "topic": "claims", "partition": 0, "offset": 1}
        event, patient = OF_INSTITUTIONS[place.institution]
        parts |= {
            "area": place.area,
            "warning_id": place.warning,
            "event_id": event,
            "patient": patient,
            "code": place.institution,
        }
        if path.startswith("/filters/"):
            called = f"filter {len(self.made)}"
            parts["filter_id"] = await save_filter(self.connection, "somebody", called, called, "")
        if path.endswith("{filter_id}/back"):
            await remove_filter(self.connection, "somebody", parts["filter_id"])
        if path.startswith("/silence/"):
            await self.connection.execute(_MUTED, place.institution)
        said: dict[str, Any] = {"reason": REASON}
        if path.endswith("/decisions"):
            said |= {"version": row["version"], "decision": "confirmed", "findings": [place.finding]}
        if path.endswith("/reasons"):
            said = {"purpose": "核对"}
        self.made.append(f"new-{len(self.made)}x")
        form = {
            **said,
            "said": "confirmed.other",
            "finding": place.finding,
            "show": "all",
            "words": REASON,
            "name": f"another {len(self.made)}",
            "csrf": csrf_token(token),
            "decision_id": decision,
            "seen": row["assignee"] or "",
            "to": "somebody",
            "until": TODAY.isoformat(),
            "purpose": "核对",
            "wish": "give",
            "ticked": f"{place.lead}:{row['assignee'] or ''}",
            "login": self.made[-1],
            "role_inspector": "1",
            "areas": place.area,
            "institutions": place.institution,
            "area": "*",
            "institution": place.institution,
            "kind": "claim",
            "password": "wrong",
            "new_password": "a password of sixteen",
            "new_password_again": "a password of sixteen",
        }
        headers = {"Cookie": f"{Site().session_cookie}={token}", "X-CSRF-Token": csrf_token(token)}
        body: dict[str, Any] = {"params": {"state": "all"}} if path in ("/", "/api/leads") else {}
        if method == "POST":
            body = {"json": said} if path.startswith("/api/") else {"data": form}
        if path.endswith("/answers") and method == "POST":
            body["files"] = {"file": ("list.xlsx", b"no workbook")}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
            return await client.request(method, path.replace(":name}", "}").format_map(parts), headers=headers, **body)


@pytest.fixture
async def county(
    app: FastAPI, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> County:
    others = [_elsewhere(version) for version in versions]
    await _apply(connection, others, rule_set)
    places = {}
    stays = {(of.area, of.finding.institution): of.finding_id for of in (*versions, *others) if of.maker.id in TRIED}
    for number, (name, (area, institution)) in enumerate(PLACES.items()):
        row = await connection.fetchrow(
            "select lead_id, version from leads where area = $1 and institution = $2 and topic = 'stays'",
            area,
            institution,
        )
        assert row is not None
        login = f"of{number}"
        account = Account(login, "", frozenset({Role.INSPECTOR}), frozenset({area}), frozenset({institution}))
        await users.save_account(connection, account, "no hash", password_given=False)
        verdict = Said(Verdict.CONFIRMED, Ground.OTHER, REASON)
        words = (row["version"], Chosen(everything=True), verdict, login, Sight(TODAY.toordinal()))
        await decide(connection, row["lead_id"], *words)
        comment = await save_comment(connection, area, row["lead_id"], REASON, "somebody")
        said = warning(f"{area}-{institution}-1", ("p", institution, "v"), order(1))
        where = {"area": area, "institution": institution}
        asking = request(f"of{number}", TODAY, [order(1)], advice=advised("R", at(TODAY), said), **where)
        await save_asked(connection, [asking, reply(f"of{number}", said, "continue", at(TODAY), REASON, **where)])
        placed = (stays[area, institution], login, area, institution, comment, said.warning_id)
        places[name] = Place(row["lead_id"], *placed)
    await begin_replay(connection, LetterFilter(outcome="conflict"), "somebody")
    return County(app, connection, places)


def _told(answer: httpx.Response) -> int | str:
    return KEPT if "kept=" in answer.headers.get("location", "") else answer.status_code


@pytest.mark.parametrize("role", Role)
async def test_what_a_role_is_answered_in_each_place(county: County, rule_set: RuleSet, role: Role) -> None:
    own = Account("somebody", "", frozenset({role}), frozenset({AREA}), frozenset({TOWN}))
    await users.save_account(county.connection, own, await hash_of("a password"), password_given=False)
    names = sorted(MATRIX, key=lambda name: name[1].startswith("/trials"))
    wrong = []
    for name in names:
        if name == ("GET", "/trials"):
            await _try_out(county.connection, rule_set)
        for (place, there), answer in zip(county.places.items(), expected(name, role), strict=True):
            got = await county.ask(name, there)
            if _told(got) != answer:
                wrong.append((name, place, _told(got), answer))
            if name in LISTS and answer == 200:
                thing = there.finding if name[1] == "/trials" else there.lead
                if (thing in got.text) != (place == "own"):
                    wrong.append((name, place, "listed", thing in got.text))
            if name in WARNED and answer == 200 and (there.warning in got.text) != (place == "own"):
                wrong.append((name, place, "listed", there.warning))
    assert wrong == []


async def _try_out(connection: asyncpg.Connection, rule_set: RuleSet) -> None:
    """From now on the rules of the findings are tried out, and their leads are empty."""
    changes = {"status": "shadow", "file_hash": "tried out"}
    rules = [rule.model_copy(update=changes) if rule.id in TRIED else rule for rule in rule_set.rules]
    await publish(connection, RuleSet(tuple(rules), rule_set.facts, rule_set.topics), "somebody")
