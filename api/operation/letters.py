"""Dead letters: choosing, looking at one (its bytes only on purpose, which is noted), and replaying.

Replaying cannot be taken back, so it is asked for on a page of its own. It goes on in steps, one a request; whoever
leaves in between finds it again and goes on.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.access.callers import May, MayByForm, Watcher
from api.access.kept import Kept, forget, refuse
from api.access.routes import KB, Route
from api.access.sessions import Session, frame_of
from api.frame.addresses import MOST_WHOLE, Links, Whole, as_day
from api.frame.desk import desk_of, snapshot
from api.frame.render import render
from casework.reasons import LONGEST_PURPOSE
from casework.rights import Right
from knowledge_base.signs import neutral
from streams.acts.letters import begin_replay, go_on_replaying, open_letter
from streams.bus import LONGEST_SOURCE
from streams.messages.kinds import event_topics
from streams.messages.vault import WrongKey
from streams.store.intake import dead_letters
from streams.store.intake.dead_letters import STATES, DeadLetter, LetterFilter, Outcome, State
from streams.store.intake.purges import find_purges
from streams.store.people.kept_forms import KeptForm
from streams.store.sessions import borrowed, passes_by_itself

router = APIRouter(include_in_schema=False, route_class=Route)

PATH = "/status/dead-letters"
REPLAYS = f"{PATH}/replays"
PAGE = 50
MOST_REASONS = 12
MOST_SHOWN = 100_000
MOST_PURGES = 20

AnyOutcome = Literal[Outcome, ""]
Text = Annotated[str, Query(max_length=500)]
SourceName = Annotated[str, Query(max_length=LONGEST_SOURCE)]
Partition = Annotated[int, Path(ge=0, le=2**31 - 1)]

Asker = Annotated[Session, Depends(May(Right.REPLAY))]
Beginner = Annotated[Session, Depends(MayByForm(Right.REPLAY, f"{PATH}/replay"))]
Replayer = Annotated[Session, Depends(MayByForm(Right.REPLAY, f"{REPLAYS}/{{number}}"))]
Opener = Annotated[Session, Depends(MayByForm(Right.OPEN_LETTERS, f"{PATH}/{{topic}}/{{partition}}/{{offset}}"))]


def letter_filter(
    outcome: AnyOutcome = "",
    reason: Text = "",
    source: SourceName = "",
    day: Annotated[str, Query(max_length=10)] = "",
    state: State = "left",
    seq: Annotated[int | None, Query(ge=0, le=MOST_WHOLE)] = None,
) -> LetterFilter:
    """The filter that an address holds; empty values, as forms send them, mean all."""
    return LetterFilter(outcome or None, reason or None, source or None, as_day("day", day), STATES[state], seq)


Chosen = Annotated[LetterFilter, Depends(letter_filter)]


def links_of(chosen: LetterFilter) -> Links:
    """Addresses of dead letters with the same filter."""
    words = {
        "outcome": chosen.outcome,
        "reason": chosen.reason,
        "source": chosen.source,
        "day": chosen.day,
        "state": state_of(chosen),
        "seq": chosen.seq,
    }
    return Links(PATH, words, silent={"state": "left"})


def state_of(chosen: LetterFilter) -> str:
    """The word for the letters that a filter chooses: left, replayed or all."""
    return next(state for state, replayed in STATES.items() if replayed == chosen.replayed)


@router.get(PATH)
async def show_letters(
    request: Request,
    session: Watcher,
    chosen: Chosen,
    before: Annotated[int, Query(ge=0, le=MOST_WHOLE)] = dead_letters.NEWEST,
) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        letters = await dead_letters.find_dead_letters(connection, chosen, before, PAGE)
        words: dict[str, Any] = {
            "count": await dead_letters.count_dead_letters(connection, _of_any_state(chosen)),
            "reasons": await dead_letters.find_reasons(connection, chosen, MOST_REASONS),
            "sources": await dead_letters.find_letter_sources(connection),
            "purges": await find_purges(connection, MOST_PURGES),
            "unfinished": await dead_letters.find_unfinished_replays(connection),
        }
        frame = await frame_of(connection, session)
    links = links_of(chosen)
    return render(
        request,
        "operation/letters.html",
        frame,
        letters=[letter for _, letter in letters],
        chosen=chosen,
        state=state_of(chosen),
        states=tuple(STATES),
        links=links,
        replay_link=links(f"{PATH}/replay"),
        next=links(before=letters[-1][0]) if len(letters) == PAGE else None,
        is_first=before == dead_letters.NEWEST,
        **words,
    )


@router.get(f"{PATH}/replay")
async def ask_to_replay(request: Request, session: Asker, chosen: Chosen, kept: Kept) -> Response:
    """What a replay would send, and that it cannot be taken back."""
    async with snapshot(desk_of(request).pool) as connection:
        count = await dead_letters.count_dead_letters(connection, chosen)
        reasons = await dead_letters.find_reasons(connection, chosen, MOST_REASONS)
        frame = await frame_of(connection, session)
    links = links_of(chosen)
    words: dict[str, Any] = {
        "count": count,
        "reasons": reasons,
        "chosen": chosen,
        "action": links(REPLAYS),
        "back": links(seq=None),
        "kept": kept,
    }
    return render(request, "operation/replay_asked.html", frame, **words)


@router.post(REPLAYS)
async def begin(request: Request, session: Beginner, chosen: Chosen) -> Response:
    async with borrowed(desk_of(request).pool) as connection:
        number = await begin_replay(connection, chosen, session.login)
    if number is None:
        return RedirectResponse(links_of(chosen)(f"{PATH}/replay"), HTTPStatus.SEE_OTHER)
    return await _go_on(request, session, number)


@router.get(f"{REPLAYS}/{{number}}")
async def show_replay(request: Request, session: Watcher, number: Whole, kept: Kept) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        replay = await dead_letters.find_replay(connection, number, event_topics())
        if replay is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        frame = await frame_of(connection, session)
    return render(request, "operation/replay.html", frame, replay=replay, kept=kept)


@router.post(f"{REPLAYS}/{{number}}")
async def go_on(request: Request, session: Replayer, number: Whole) -> Response:
    return await _go_on(request, session, number)


async def _go_on(request: Request, session: Session, number: int) -> Response:
    """One step of a replay. Where it cannot be done nothing of it was sent, and the page says why."""
    desk, page = desk_of(request), f"{REPLAYS}/{number}"
    try:
        async with borrowed(desk.pool) as connection:
            await go_on_replaying(connection, desk.bus, desk.vault, number)
    except WrongKey:
        await refuse(request, session, page, "step_sealed")
    except Exception as error:
        if not passes_by_itself(error):
            raise
        await refuse(request, session, page, "bus_away")
    return RedirectResponse(page, HTTPStatus.SEE_OTHER)


@router.get(f"{PATH}/{{topic}}/{{partition}}/{{offset}}")
async def show_letter(
    request: Request, session: Watcher, topic: str, partition: Partition, offset: Whole, kept: Kept
) -> Response:
    return await _render_letter(request, session, topic, partition, offset, kept=kept)


@router.post(f"{PATH}/{{topic}}/{{partition}}/{{offset}}/bytes", max_body_size=16 * KB)
async def show_bytes(
    request: Request,
    session: Opener,
    topic: str,
    partition: Partition,
    offset: Whole,
    purpose: Annotated[str, Form()] = "",
) -> Response:
    """The bytes as they came, with a purpose that is noted beside the name of whoever asked."""
    desk = desk_of(request)
    async with borrowed(desk.pool) as connection:
        found = await dead_letters.find_dead_letter(connection, topic, partition, offset)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        seq, letter = found
        problem, body = "", b""
        try:
            body = await open_letter(connection, desk.vault, seq, session.login, purpose)
        except WrongKey:
            problem = "letter_sealed"
        except ValueError:
            problem = "purpose"
    if problem:
        await refuse(request, session, _path_of(letter), problem)
    await forget(request, session)
    return await _render_letter(request, session, topic, partition, offset, body=body)


async def _render_letter(
    request: Request,
    session: Session,
    topic: str,
    partition: int,
    offset: int,
    kept: KeptForm | None = None,
    body: bytes | None = None,
) -> Response:
    async with snapshot(desk_of(request).pool) as connection:
        found = await dead_letters.find_dead_letter(connection, topic, partition, offset)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        seq, letter = found
        views = await dead_letters.find_views(connection, letter)
        frame = await frame_of(connection, session)
    return render(
        request,
        "operation/letter.html",
        frame,
        letter=letter,
        path=_path_of(letter),
        replay_link=f"{PATH}/replay?seq={seq}",
        views=views,
        kept=kept,
        longest_purpose=LONGEST_PURPOSE,
        length=None if body is None else len(body),
        shown=None if body is None else _as_text(body[:MOST_SHOWN]),
    )


def _as_text(body: bytes) -> str:
    """Bytes as a page shows them: what is no text, and what no eye can see but ends of lines, is spelled out."""
    return "\n".join(map(neutral, body.decode("utf-8", "backslashreplace").split("\n")))


def _path_of(letter: DeadLetter) -> str:
    return f"{PATH}/{letter.name}"


def _of_any_state(chosen: LetterFilter) -> LetterFilter:
    return LetterFilter(chosen.outcome, chosen.reason, chosen.source, chosen.day, None, chosen.seq)
