"""By which words a name is found."""

import pytest

from casework.spelling import folded, parts, spellings


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("虚构县中医院", "虚构县中医院"),
        ("虚构县中医院", "中医"),
        ("虚构县中医院", "院"),
        ("虚构县中医院", "zhongyi"),
        ("虚构县中医院", "xugouxianzhongyiyuan"),
        ("虚构县中医院", "zyy"),
        ("虚构县中医院", "xgxzyy"),
        ("长沙市第一医院", "changsha"),
        ("成长医院", "chengzhang"),
        ("重庆重症医院", "chongqingzhong"),
        ("六安市医院", "luan"),
        ("女子医院", "nvzi"),
        ("第１２医院", "12yy"),
        ("第１２医院", "第12"),
        ("Ａ区 卫生院", "a区卫"),
        ("Ａ区 卫生院", "aqws"),
    ],
)
def test_a_name_is_found_by(name: str, typed: str) -> None:
    assert any(word.startswith(folded(typed)) for word in spellings(name)), sorted(spellings(name))


@pytest.mark.parametrize("typed", ["县院", "hongyi", "xgyy", "中医院虚构", "医 生"])
def test_a_name_is_not_found_by(typed: str) -> None:
    assert not any(word.startswith(folded(typed)) for word in spellings("虚构县中医院"))


def test_as_many_words_as_signs_three_times_at_most() -> None:
    assert len(spellings("虚构县中医院")) == 18
    assert spellings("") == set()


def test_parts_are_what_a_text_ends_with() -> None:
    assert parts("abc") == {"abc", "bc", "c"}
