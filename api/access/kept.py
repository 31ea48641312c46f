"""Forms that were not taken: their page is shown again, at its own address, with what was typed and why.

The address carries a name that says nothing, and only the log-in that sent the form is shown it. So a page that was
refused can be reloaded, and nothing is sent twice by that.
"""

import logging
import secrets
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

from fastapi import Depends, Query, Request

from api.access.sessions import Session
from api.frame.desk import desk_of
from streams.store.people import kept_forms
from streams.store.people.kept_forms import KeptForm
from streams.store.sessions import borrowed, passing_errors

logger = logging.getLogger("api")

FORM_LIMITS: Any = {"max_fields": 1000, "max_files": 0}
"""Of every form: ours have some fields, one for each thing that is ticked on a page, and no files."""


class FormRefused(Exception):
    """A form was not taken, and kept: ``back`` is the address of its page, with what was typed."""

    def __init__(self, back: str):
        super().__init__(back)
        self.back = back


async def words_of(request: Request) -> dict[str, str]:
    """What somebody typed in a form, by field, but for passwords; what the form itself carries is no word of theirs.

    The words of a field that was sent several times, for each thing that was ticked, stand apart by blanks. A file of
    the form is no word either, and not kept.
    """
    form = await request.form(**FORM_LIMITS)
    await form.close()
    words = {name: [text for text in form.getlist(name) if isinstance(text, str)] for name in form}
    return {name: " ".join(texts) for name, texts in words.items() if texts and not _is_no_word(name)}


def _is_no_word(field: str) -> bool:
    return field in ("csrf", "kept") or "password" in field


async def keep(request: Request, login: str, back: str, problem: str) -> str:
    """Keeps a request's form for somebody, and gives the address of its page with it."""
    name = secrets.token_hex(16)
    kept = KeptForm(name, request.scope["path"], await words_of(request), problem)
    async with borrowed(desk_of(request).pool) as connection:
        await kept_forms.save_form(connection, login, back.partition("?")[0], kept)
    return f"{back}{'&' if '?' in back else '?'}kept={name}"


async def refuse(request: Request, session: Session, back: str, problem: str) -> NoReturn:
    """Keeps a form of somebody at the desk and raises ``FormRefused``."""
    raise FormRefused(await keep(request, session.login, back, problem))


async def forget(request: Request, session: Session) -> None:
    """Forgets what a form said before it was taken now. What was done is done, so nothing here makes it a failure."""
    name = (await request.form(**FORM_LIMITS)).get("kept")
    if isinstance(name, str) and name:
        with passing_errors(logger, "forgetting a form"):
            async with borrowed(desk_of(request).pool) as connection:
                await kept_forms.delete_form(connection, name, session.login)


Name = Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")]


async def find_kept(request: Request, kept: Name = "") -> KeptForm | None:
    """What an address says was kept of a form on this page, for whoever is signed in."""
    session: Session = request.state.session
    if not kept:
        return None
    async with borrowed(desk_of(request).pool) as connection:
        return await kept_forms.find_form(connection, kept, session.login, quote(request.scope["path"]))


Kept = Annotated[KeptForm | None, Depends(find_kept)]
