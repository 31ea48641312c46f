"""Deciding on findings of a lead, and undoing it: the decision, the lead's next version and sums, and what is sent on,
in one transaction."""

import msgspec

from casework.audit import Act
from casework.decisions import GROUNDS, Decision, Ground, Verdict
from casework.reasons import tidied_reason
from casework.sight import Sight
from knowledge_base.days import Day
from streams.bus import Message
from streams.store.casework import decisions
from streams.store.casework.decisions import Draft, FindingsChanged, NotHolding
from streams.store.casework.listing import Chosen
from streams.store.people import audit
from streams.store.sessions import Connection
from streams.store.transport.outbox import save_outbox
from streams.topics import DECISIONS


class GroundRefused(Exception):
    """The reason of the fixed list does not fit the verdict."""


class Said(msgspec.Struct, frozen=True):
    """What somebody decides: the verdict, why by the fixed list, and why in words."""

    verdict: Verdict
    ground: Ground
    words: str = ""


async def decide(
    connection: Connection, lead_id: str, seen: int, chosen: Chosen, said: Said, by: str, sight: Sight
) -> Decision:
    """Records a decision on the chosen findings of a lead as it was ``seen``: in that version.

    Raises ``GroundRefused``, ``ValueError`` for words that say nothing where they have to, ``LeadUnknown`` (also for
    one out of sight), ``FindingsChanged``, ``NothingChosen``.
    """
    if said.ground not in GROUNDS.get(said.verdict, ()):
        raise GroundRefused
    words = tidied_reason(said.words) if said.ground is Ground.OTHER or said.words.strip() else ""
    async with connection.transaction():
        held = await decisions.lock_lead(connection, lead_id, sight)
        if seen > held.version:  # as a restored store may have it
            raise FindingsChanged
        cites = await decisions.find_chosen(connection, held.area, lead_id, chosen, seen, sight)
        of = (held.area, lead_id, held.version)
        return await _keep(connection, Draft(*of, said.verdict, said.ground, words, by, None, cites), sight.today)


async def undo(connection: Connection, lead_id: str, decision_id: int, reason: str, by: str, sight: Sight) -> Decision:
    """Takes back a decision that holds on something; what was decided before it holds there again.

    Raises ``ValueError`` for a reason that says nothing, ``LeadUnknown`` (also for one out of sight), ``NotHolding``.
    """
    reason = tidied_reason(reason)
    async with connection.transaction():
        held = await decisions.lock_lead(connection, lead_id, sight)
        if decision_id not in await decisions.find_holding(connection, held.area, lead_id):
            raise NotHolding
        undone = await decisions.find_decision(connection, held.area, decision_id)
        of = (held.area, lead_id, held.version)
        draft = Draft(*of, Verdict.UNDONE, None, reason, by, decision_id, undone.cites)
        return await _keep(connection, draft, sight.today)


async def _keep(connection: Connection, draft: Draft, today: Day) -> Decision:
    decision = await decisions.append(connection, draft, today)
    message = Message(draft.lead_id.encode(), msgspec.json.encode(decision), "console")
    await save_outbox(connection, DECISIONS, [message])
    act = Act.UNDID if decision.undoes is not None else Act.DECIDED
    about = decision.decision_id if decision.undoes is None else decision.undoes
    said = {"lead": decision.lead_id, "decision": str(about), "verdict": decision.decision.value}
    await audit.note(connection, decision.decided_by, act, **said, findings=str(len(decision.cites)))
    return decision
