"""How a page is made: its language, the frame around it, its cookies."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from api.frame import sentences
from api.frame.addresses import LANGUAGE, is_for_systems
from api.frame.desk import desk_of, templates
from api.frame.site import LANGUAGE_COOKIE
from api.frame.texts import LANGUAGES, Texts, load_texts
from casework.rights import Right
from rules_lib import wording
from streams.store.operation.status import Received

_A_YEAR = 365 * 24 * 3600


def texts_of(request: Request) -> Texts:
    """The texts in the language that the request asks for: in its address, else its cookie, else the default."""
    for lang in (request.query_params.get(LANGUAGE), request.cookies.get(LANGUAGE_COOKIE)):
        if lang in LANGUAGES:
            return load_texts(lang)
    return load_texts(next(iter(LANGUAGES)))


def home_of(rights: Collection[Right]) -> str:
    """The first page of somebody with some rights: the leads, else how the system is doing, else their account."""
    return "/" if Right.SEE in rights else "/status" if Right.SEE_OPERATION in rights else "/account"


@dataclass(frozen=True)
class Frame:
    """What the frame around a page shows: who is signed in, the token of forms, and what was received so far; ``names``
    are those of colleagues, by log-in."""

    login: str | None = None
    csrf: str = ""
    received: Received | None = None
    rights: frozenset[Right] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)

    def called(self, login: str) -> str:
        """What somebody is called: colleagues by their names, whoever has none or is told none by the log-in."""
        return self.names.get(login, login)

    def may(self, right: str) -> bool:
        """Whether whoever is signed in has a right: what leads to a page that is not theirs is not shown."""
        return right in self.rights

    @property
    def home(self) -> str:
        """The first page of whoever is signed in."""
        return home_of(self.rights) if self.login else "/"


def render(request: Request, template: str, frame: Frame, status: int = HTTPStatus.OK, **words: Any) -> Response:
    """A page in the request's language; a language asked for in the address is remembered."""
    texts = texts_of(request)
    page = templates().get_template(template)
    other = next(lang for lang in LANGUAGES if lang != texts.lang)
    html = page.render(
        **words,
        frame=frame,
        t=texts,
        lang=LANGUAGES[texts.lang],
        language=texts.lang,
        other_language_link="?" + urlencode({**request.query_params, LANGUAGE: other}),
        here=request.scope["path"],
        sentences=sentences,
        wording=wording,
        today=desk_of(request).today(),
    )
    response = HTMLResponse(html, status)
    if request.query_params.get(LANGUAGE) == texts.lang:
        set_cookie(request, response, LANGUAGE_COOKIE, texts.lang, _A_YEAR, "lax")
    return response


def render_error(request: Request, status: int, kind: str, detail: str = "") -> Response:
    """What kept a request from being done: a page that says it (texts ``error``), or the same in short for systems.

    Its frame is that of whoever is signed in (``request.state.frame``), where that was found before.
    """
    if is_for_systems(request):
        return JSONResponse({"detail": f"{kind} {detail}".strip()}, status)
    frame: Frame = getattr(request.state, "frame", Frame())
    return render(request, "frame/error.html", frame, status, kind=kind, detail=detail)


def set_cookie(
    request: Request, response: Response, name: str, value: str, seconds: int, same_site: Literal["lax", "strict"]
) -> None:
    """A cookie that scripts cannot read, and that travels over HTTPS alone where the page did."""
    secure = desk_of(request).site.is_secure(request)
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite=same_site, secure=secure)
