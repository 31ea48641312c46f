"""Rules that are tried out: what they find, with a sample and its evidence. In no queue, lead or interface."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from api.access.callers import May
from api.access.routes import Route
from api.access.sessions import Session, frame_of, note
from api.frame.desk import Shown, desk_of, snapshot
from api.frame.render import render, texts_of
from api.leads.view import find_names, load_evidence
from casework.audit import Act
from casework.rights import Right
from knowledge_base.cards import Card
from streams.store.casework import trials

router = APIRouter(include_in_schema=False, route_class=Route)

Trier = Annotated[Session, Depends(May(Right.SEE_TRIALS))]

SAMPLE = 5
"""Findings of each rule that are shown."""


@router.get("/trials")
async def show_trials(request: Request, session: Trier) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        cards = _tried(shown)
        found = await trials.find_trials(connection, [card.id for card in cards], shown.sight)
        samples = {rule: await trials.find_sample(connection, rule, shown.sight, SAMPLE) for rule in found}
        names = await find_names(connection, shown, [version for sample in samples.values() for version in sample])
        frame = await frame_of(connection, session)
    words: dict[str, Any] = {"cards": cards, "found": found, "samples": samples, "names": names, "topics": shown.topics}
    return render(request, "leads/trials.html", frame, **words)


@router.get("/trials/{finding_id}")
async def show_trial(request: Request, session: Trier, finding_id: str) -> Response:
    desk = desk_of(request)
    async with snapshot(desk.pool) as connection:
        shown = await desk.find_shown(connection, session)
        tried = [card.id for card in _tried(shown)]
        version = await trials.find_tried(connection, finding_id, tried, shown.sight)
        if version is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        evidence, names = await load_evidence(connection, shown, version, texts_of(request))
        frame = await frame_of(connection, session)
    await note(request, session, Act.SAW_EVIDENCE, finding=finding_id)
    return render(request, "leads/trial.html", frame, evidence=evidence, view={"names": names})


def _tried(shown: Shown) -> list[Card]:
    """The makers of the set in force that are tried out."""
    return sorted((card for card in shown.cards.values() if card.status == "shadow"), key=lambda card: card.id)
