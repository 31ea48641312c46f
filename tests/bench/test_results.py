"""The result files fit the format, and the README is made from them."""

from typing import Literal

import msgspec
import pytest

from bench.__main__ import BENCHMARKS, main
from bench.report import README, row_of, with_tables
from bench.results import RESULTS, Result, load_results, measure_interleaved

FIELDS = [
    *("job", "value", "unit", "better", "aim", "floor", "floor_is"),
    *("peer", "peer_is", "runs", "command", "machine", "at"),
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_result_file_holds_exactly_the_fields_of_the_format(name: str) -> None:
    rows = msgspec.json.decode((RESULTS / f"{name}.json").read_bytes(), type=list[dict[str, object]])
    assert rows
    assert [list(row) for row in rows] == [FIELDS] * len(rows)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_job_was_measured_often_enough_by_the_command_that_it_names(name: str) -> None:
    for result in load_results(name):
        assert result.runs >= 5
        assert result.command == f"python -m bench {name}"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_floor_and_peer_are_is_said_where_they_are_given(name: str) -> None:
    for result in load_results(name):
        assert (result.floor is None) == (result.floor_is is None)
        assert (result.peer is None) == (result.peer_is is None)


def test_every_benchmark_has_its_result_file_and_every_file_its_benchmark() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} == BENCHMARKS.keys()


def test_readme_shows_what_the_result_files_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text, BENCHMARKS) == text


def test_a_field_that_the_format_does_not_have_is_refused() -> None:
    row = msgspec.to_builtins(load_results("decoding")[0])
    with pytest.raises(msgspec.ValidationError, match="fastest"):
        msgspec.convert({**row, "fastest": 1}, Result)


def test_contenders_take_turns_and_the_first_run_is_thrown_away() -> None:
    order: list[str] = []

    def contender(name: str) -> int:
        order.append(name)
        return len(order)

    measured = measure_interleaved({"a": lambda: contender("a"), "b": lambda: contender("b")}, runs=2)
    assert order == ["a", "b"] * 3
    assert measured == {"a": [3, 5], "b": [4, 6]}


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoding", "guessing"]) == 2
    assert "guessing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "better", "says"),
    [(9, "more", "10, missed"), (10, "more", "10"), (11, "less", "10, missed"), (10, "less", "10")],
)
def test_an_aim_that_is_missed_says_so(value: float, better: Literal["more", "less"], says: str) -> None:
    result = msgspec.structs.replace(load_results("decoding")[0], value=value, better=better, aim=10.0)
    assert row_of(result, None).split(" | ")[2] == says
