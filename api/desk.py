"""What every page and endpoint works with: the store, the published rules, today, and how a page is made."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api import formats, sentences
from api.texts import LANGUAGES, Texts, load_texts
from knowledge_base.days import Day
from rules_lib.rules import RuleSet
from streams.bus import Bus, Lag
from streams.rule_sets import RuleSets
from streams.store.leads import live_rules
from streams.store.sessions import Connection, Pool, borrowed, passes_by_itself
from streams.store.status import Received
from streams.vault import Vault

HERE = Path(__file__).parent
STATIC = HERE / "static"
LANGUAGE_COOKIE = "lang"
MOST_WHOLE = 2**63 - 1
"""The greatest whole number that the store can hold: an address or form with a greater one is refused."""
PageNumber = Annotated[int, Query(ge=1, le=10**9)]
"""The number of a page in an address."""
_BUS_PATIENCE = 5
_A_YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Desk:
    """What the console and interface share; ``today`` gives the civil day in China.

    ``rule_set`` is the one in force when somebody last asked for a page.
    """

    pool: Pool
    rule_set: RuleSet
    rule_sets: RuleSets
    bus: Bus
    vault: Vault
    today: Callable[[], Day]

    @cached_property
    def live(self) -> list[str]:
        return live_rules(self.rule_set)

    @cached_property
    def items(self) -> Mapping[str, str]:
        return sentences.item_names(self.rule_set.facts)

    @cached_property
    def templates(self) -> Environment:
        loader = FileSystemLoader(HERE / "templates")
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        environment.lstrip_blocks = True
        environment.filters |= {
            "money": formats.money,
            "number": formats.number,
            "day": formats.day,
            "instant": formats.instant,
            "pseudonym": formats.pseudonym,
        }
        environment.globals["has_htmx"] = (STATIC / "vendor" / "htmx.min.js").exists()
        return environment


def desk_of(request: Request) -> Desk:
    """The desk of the application that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


async def take_up_rules(request: Request, connection: Connection) -> None:
    """From now on pages show the rule set that is in force, where another one was put in force meanwhile."""
    desk = desk_of(request)
    rule_set = await desk.rule_sets.in_force(connection)
    if rule_set is not desk.rule_set:
        request.app.state.desk = replace(desk, rule_set=rule_set)


def texts_of(request: Request) -> Texts:
    """The texts in the language that the request asks for: in its address, else its cookie, else the default."""
    for lang in (request.query_params.get(LANGUAGE_COOKIE), request.cookies.get(LANGUAGE_COOKIE)):
        if lang in LANGUAGES:
            return load_texts(lang)
    return load_texts(next(iter(LANGUAGES)))


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A borrowed connection on which every statement reads the store as it was at the first; it cannot write."""
    async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


@dataclass(frozen=True)
class Frame:
    """What the frame around a page shows: who is signed in, the token of forms, and what was received so far."""

    login: str | None = None
    csrf: str = ""
    received: Received | None = None


def render(request: Request, template: str, frame: Frame, status: int = HTTPStatus.OK, **words: Any) -> Response:
    """A page in the request's language; a language asked for in the address is remembered."""
    texts = texts_of(request)
    page = desk_of(request).templates.get_template(template)
    other = next(lang for lang in LANGUAGES if lang != texts.lang)
    html = page.render(
        **words,
        frame=frame,
        t=texts,
        lang=LANGUAGES[texts.lang],
        language=texts.lang,
        other_language_link="?" + urlencode({**request.query_params, LANGUAGE_COOKIE: other}),
        here=request.url.path,
        sentences=sentences,
        today=desk_of(request).today(),
    )
    response = HTMLResponse(html, status)
    if request.query_params.get(LANGUAGE_COOKIE) == texts.lang:
        set_cookie(request, response, LANGUAGE_COOKIE, texts.lang, _A_YEAR, "lax")
    return response


def set_cookie(
    request: Request, response: Response, name: str, value: str, seconds: int, same_site: Literal["lax", "strict"]
) -> None:
    """A cookie that scripts cannot read, and that travels over HTTPS alone where the page did."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite=same_site, secure=secure)


async def find_lags(desk: Desk) -> list[Lag] | None:
    """How far groups are behind, ``None`` where the bus does not answer in time."""
    try:
        async with asyncio.timeout(_BUS_PATIENCE):
            return await desk.bus.lags()
    except Exception as error:
        if not passes_by_itself(error):
            raise
        return None
