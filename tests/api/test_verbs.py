"""The 20 verbs of an inspector (``tests.api.verbs``), each by mouse and by keyboard, in both languages and sizes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import product
from pathlib import Path

import asyncpg
import pytest
from playwright.sync_api import Browser

from api.access.passwords import hash_of
from casework.accounts import Account
from casework.rights import Role
from rules_lib.rule_set import RuleSet
from streams.store.people import users
from tests.api.browser import Console, in_store
from tests.api.colleague import Colleague, colleague
from tests.api.seats import SIZES, Seat, taken_seat
from tests.api.verbs import CALLED, COLLEAGUE, VERBS, Day, Verb

PASSWORD = "a password of her own"
SEATS = list(product(SIZES, ("zh", "en"), ("mouse", "keyboard")))


def _tries() -> Iterator[object]:
    """Each verb at each seat, seat by seat."""
    for width, lang, hand in SEATS:
        for verb in VERBS:
            if width in verb.widths and hand in verb.hands:
                yield pytest.param((width, lang, hand), verb, id=f"{verb.name}-{width}-{lang}-{hand}")


@pytest.fixture(scope="module")
def at_work(console: Console) -> Iterator[Colleague]:
    """A colleague with an account of her own, signed in."""
    in_store(console.dsn, _open_account)
    with colleague(console, COLLEAGUE, PASSWORD) as hers:
        yield hers


async def _open_account(connection: asyncpg.Connection) -> None:
    account = Account(COLLEAGUE, CALLED, frozenset({Role.INSPECTOR}))
    await users.save_account(connection, account, await hash_of(PASSWORD), password_given=False)


@pytest.fixture(scope="module")
def take_seat(browser: Browser, console: Console) -> Iterator[Callable[[int, str, str], Seat]]:
    """Takes a seat, or goes on at it: whoever sits there signs in once."""
    with ExitStack() as taken:
        yield cache(lambda *of: taken.enter_context(taken_seat(browser, console, *of)))


@pytest.fixture
def seat(request: pytest.FixtureRequest, take_seat: Callable[[int, str, str], Seat]) -> Seat:
    return take_seat(*request.param)


@pytest.mark.parametrize(("seat", "verb"), list(_tries()), indirect=["seat"])
def test_the_verb_is_done_at_the_desk(
    seat: Seat, verb: Verb, at_work: Colleague, rule_set: RuleSet, tmp_path: Path
) -> None:
    verb.done(Day(seat, at_work, rule_set, tmp_path))
    assert (seat.visited.errors, seat.visited.strangers) == ([], [])


def test_there_are_twenty_verbs_each_by_both_hands_in_both_sizes() -> None:
    """But for what has no second hand or size: keys, and a phone."""
    names = {verb.name for verb in VERBS}
    assert len(names - {"keyboard-said"}) == 20
    narrower = {verb.name for verb in VERBS if len(verb.hands) < 2 or len(verb.widths) < 2}
    assert narrower == {"keyboard", "keyboard-said", "phone"}
