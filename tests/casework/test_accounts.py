"""Accounts: what roles let people do, whom somebody may make, and which accounts cannot be."""

import pytest
from msgspec.structs import replace

from casework.accounts import Account, AccountRefused, checked
from casework.rights import ALL_RIGHTS, RIGHTS_OF, Right, Role, rights_of

WANG = Account("wang.li", "王莉", frozenset({Role.INSPECTOR}))
HEAD = Account("head", "", frozenset({Role.HEAD}), frozenset({"420281"}))


def test_every_role_says_what_it_may_do_and_whoever_is_in_may_leave() -> None:
    assert set(RIGHTS_OF) == set(Role)
    assert all(Right.ENTER in rights for rights in RIGHTS_OF.values())


def test_the_first_account_may_do_everything_and_nobody_else_all_of_it() -> None:
    assert rights_of(ALL_RIGHTS) == set(Right)
    assert [role for role in Role if rights_of([role]) == set(Right)] == []


@pytest.mark.parametrize(
    ("role", "not_theirs"),
    [
        (Role.AUDITOR, {Right.DECIDE, Right.ANSWER, Right.MANAGE_PEOPLE, Right.REPLAY}),
        (Role.OPERATOR, {Right.SEE, Right.DECIDE, Right.ANSWER, Right.SEE_TRIALS}),
        (Role.INSPECTOR, {Right.MANAGE_PEOPLE, Right.OPEN_LETTERS, Right.REPLAY}),
        (Role.HOSPITAL_OFFICE, set(Right) - {Right.ENTER, Right.SEE, Right.ANSWER}),
    ],
)
def test_what_a_role_may_not_do(role: Role, not_theirs: set[Right]) -> None:
    assert rights_of([role]).isdisjoint(not_theirs)


def test_somebody_covers_who_may_do_and_see_no_more() -> None:
    own = replace(WANG, areas=frozenset({"420281"}))
    assert HEAD.covers(own)
    assert HEAD.covers(replace(own, institutions=frozenset({"H42028100001"})))
    assert not HEAD.covers(WANG), "all areas are more than one"
    assert not HEAD.covers(replace(own, areas=frozenset({"420281", "420381"})))
    assert not HEAD.covers(replace(own, roles=frozenset({Role.OPERATOR})))
    assert not replace(HEAD, institutions=frozenset({"H42028100001"})).covers(own)


def test_words_are_tidied() -> None:
    tidied = checked(replace(WANG, login=" wang.li ", name="王莉 "))
    assert (tidied.login, tidied.name) == ("wang.li", "王莉")


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("login", {"login": " "}),
        ("login", {"login": "wang li"}),
        ("login", {"login": "wang\u200bli"}),
        ("login", {"login": "a/b"}),
        ("login", {"login": "nobody"}),
        ("login", {"login": "Me"}),
        ("login", {"login": ".."}),
        ("login", {"login": "-x"}),
        ("area", {"areas": frozenset({"Berlin"})}),
        ("area", {"areas": frozenset({"420281", "420281;420381"})}),
        ("institution", {"institutions": frozenset({"虚构县中医院"})}),
        ("institution", {"institutions": frozenset({"h42028100001"})}),
        ("login", {"login": "x" * 65}),
        ("name", {"name": "\x1b[1m"}),
        ("name", {"name": "x" * 101}),
        ("no_role", {"roles": frozenset()}),
        ("nothing_to_see", {"areas": frozenset()}),
        ("nothing_to_see", {"institutions": frozenset()}),
        ("office_without_institution", {"roles": frozenset({Role.HOSPITAL_OFFICE})}),
    ],
)
def test_what_an_account_cannot_be(why: str, changes: dict[str, object]) -> None:
    with pytest.raises(AccountRefused) as refused:
        checked(replace(WANG, **changes))
    assert refused.value.why == why
