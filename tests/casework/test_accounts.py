"""Accounts: what roles let people do, whom somebody may make, and which accounts cannot be."""

import pytest
from msgspec.structs import replace

from casework.accounts import Account, AccountRefused, checked, checked_new, look_of
from casework.rights import ALL_RIGHTS, RIGHTS_OF, Right, Role, rights_of

WANG = Account("wang.li", "王莉", frozenset({Role.INSPECTOR}))
HEAD = Account("head", "", frozenset({Role.HEAD}), frozenset({"420281"}))


def test_every_role_says_what_it_may_do_and_whoever_is_in_may_leave() -> None:
    assert set(RIGHTS_OF) == set(Role)
    assert all(Right.ENTER in rights for rights in RIGHTS_OF.values())


def test_the_first_account_may_do_everything_and_nobody_else_all_of_it() -> None:
    of_people = set(Right) - {Right.ASK}
    assert rights_of(ALL_RIGHTS) == of_people
    assert [role for role in Role if rights_of([role]) == of_people] == []


@pytest.mark.parametrize(
    ("role", "not_theirs"),
    [
        (Role.AUDITOR, {Right.DECIDE, Right.ANSWER, Right.MANAGE_PEOPLE, Right.REPLAY}),
        (Role.OPERATOR, {Right.SEE, Right.DECIDE, Right.ANSWER, Right.SEE_TRIALS}),
        (Role.INSPECTOR, {Right.MANAGE_PEOPLE, Right.OPEN_LETTERS, Right.REPLAY}),
        (Role.HOSPITAL_OFFICE, set(Right) - {Right.ENTER, Right.SEE, Right.ANSWER, Right.OPEN_REASONS}),
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


@pytest.mark.parametrize("login", ["wang.li", "Wang_Li-2", "10023", "王莉", "王莉.2", "wang@daye", "𠮷田"])
def test_a_new_log_in_is_of_one_script_that_everybody_can_type(login: str) -> None:
    assert checked_new(replace(WANG, login=login)).login == login


@pytest.mark.parametrize(
    "login",
    [
        "w\u0430ng.li",  # a Cyrillic letter
        "\u0430\u0441\u0435",  # Cyrillic alone, and looks like "ace"
        "\u03bfperator",  # a Greek one
        "jos\u00e9",
        "\u0131nspector",  # i without its dot
        "wang王",
        "エ",  # Katakana that looks like 工
        "wang+li",
        "a\u0301",
    ],
)
def test_a_new_log_in_of_other_signs_is_refused_and_one_of_before_is_not(login: str) -> None:
    with pytest.raises(AccountRefused) as refused:
        checked_new(replace(WANG, login=login))
    assert refused.value.why == "login_signs"
    assert checked(replace(WANG, login=login)).roles == WANG.roles


def test_other_forms_of_chinese_signs_are_these_or_none() -> None:
    """A sign for compatibility becomes the one that everybody types; a radical and full width are refused."""
    assert checked_new(replace(WANG, login="\uf900")).login == "\u8c48"
    for login in ("\u2f84", "王１"):
        with pytest.raises(AccountRefused):
            checked(replace(WANG, login=login))


def test_log_ins_look_alike_in_capitals_in_width_and_in_signs_of_one_shape() -> None:
    for one, other in (
        ("wang.li", "WANG.LI"),
        ("wang.li", "ｗang.li"),
        ("wang.li", "wang.1i"),
        ("wang.li", "wang.Ii"),
        ("operator", "0perat0r"),
        ("mike", "rnike"),
        ("\u2f84", "至"),
    ):
        assert look_of(one) == look_of(other), (one, other)
    apart = ["wang.li", "wang-li", "wang.lu", "wang2", "wang3", "王莉", "王丽", "mike", "nike", "a", "o", "e"]
    assert len({look_of(login) for login in apart}) == len(apart)
