"""Deciding on a lead, and undoing it: the decision, the lead's next version and what is sent on, in one transaction."""

import msgspec

from casework.audit import Act
from casework.decisions import Decision, Verdict, holding
from casework.reasons import tidied_reason
from casework.sight import Sight
from streams.bus import Message
from streams.store.casework import decisions
from streams.store.casework.decisions import Draft, NotHolding
from streams.store.people import audit
from streams.store.sessions import Connection
from streams.store.transport.outbox import save_outbox
from streams.topics import DECISIONS


async def decide(
    connection: Connection, lead_id: str, seen_version: int, verdict: Verdict, reason: str, by: str, sight: Sight
) -> Decision:
    """Records a decision on a lead as it was seen, citing its findings that count today.

    Raises ``ValueError`` for a reason that says nothing, ``LeadUnknown`` (also for one out of sight), ``LeadChanged``.
    """
    reason = tidied_reason(reason)
    if verdict is Verdict.UNDONE:
        raise ValueError("undoing names the decision that it undoes")
    async with connection.transaction():
        area = await decisions.lock_lead(connection, lead_id, seen_version, sight)
        cites = await decisions.find_cited(connection, area, lead_id, sight)
        return await _keep(connection, Draft(area, lead_id, seen_version, verdict, reason, by, None, cites))


async def undo(
    connection: Connection, lead_id: str, seen_version: int, decision_id: int, reason: str, by: str, sight: Sight
) -> Decision:
    """Takes back the decision that holds; the one before it holds again.

    Raises ``ValueError`` for a reason that says nothing, ``LeadUnknown`` (also for one out of sight), ``LeadChanged``,
    ``NotHolding``.
    """
    reason = tidied_reason(reason)
    async with connection.transaction():
        area = await decisions.lock_lead(connection, lead_id, seen_version, sight)
        holds = holding(await decisions.find_decisions(connection, area, lead_id))
        if holds is None or holds.decision_id != decision_id:
            raise NotHolding
        draft = Draft(area, lead_id, seen_version, Verdict.UNDONE, reason, by, decision_id, holds.cites)
        return await _keep(connection, draft)


async def _keep(connection: Connection, draft: Draft) -> Decision:
    decision = await decisions.append(connection, draft)
    message = Message(draft.lead_id.encode(), msgspec.json.encode(decision), "console")
    await save_outbox(connection, DECISIONS, [message])
    act = Act.UNDID if decision.undoes is not None else Act.DECIDED
    said = {"lead": decision.lead_id, "decision": str(decision.decision_id), "verdict": decision.decision.value}
    await audit.note(connection, decision.decided_by, act, **said)
    return decision
