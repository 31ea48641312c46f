"""The report: the tables of bench/README.md, written from the result files and from nothing else."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.results import Result, load_results

README = Path(__file__).parent / "README.md"

PART = "of that: "
"""How the job of a part of the job above it begins; parts of a time are shown with their share of it."""

_HEAD = "| job | value | aim | floor | value / floor | peer | value / peer |\n|---|--:|--:|--:|--:|--:|--:|"


def write_report(names: Iterable[str]) -> None:
    """Puts the tables of some benchmarks between their marks in bench/README.md."""
    README.write_text(with_tables(README.read_text(encoding="utf-8"), names), encoding="utf-8")


def with_tables(text: str, names: Iterable[str]) -> str:
    """A text with the table of each benchmark between its two marks. Raises ``LookupError`` where it has none."""
    for name in names:
        between = re.compile(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if between.search(text) is None:
            raise LookupError(f"{README.name} has no marks for {name}")
        body = _table(load_results(name))
        text = between.sub(lambda marks, body=body: marks[1] + body + marks[2], text)  # type: ignore[misc]
    return text


def _table(results: Sequence[Result]) -> str:
    first = results[0]
    taken = f"`{first.command}`, median of {first.runs} runs on {first.at:%Y-%m-%d}: {first.machine}."
    beside = dict.fromkeys(
        f"{kind}: {words}."
        for result in results
        for kind, words in (("Floor", result.floor_is), ("Peer", result.peer_is))
        if words is not None
    )
    rows = [row_of(result, _whole(results, result)) for result in results]
    return "\n".join([_HEAD, *rows, "", " ".join([taken, *beside]), ""])


def _whole(results: Sequence[Result], part: Result) -> Result | None:
    """The job of whose time a job is a part: the last one before it that is no part itself."""
    if not part.job.startswith(PART) or part.better == "more":
        return None
    return next(r for r in reversed(results[: results.index(part)]) if not r.job.startswith(PART))


def row_of(result: Result, whole: Result | None) -> str:
    """A job as a row of its table, with its share of the ``whole`` that it is a part of."""
    share = f" ({result.value / whole.value:.0%})" if whole else ""
    cells = [
        result.job,
        f"{_number(result.value)} {result.unit}{share}",
        _aim(result),
        _number(result.floor),
        _ratio(result.value, result.floor),
        _number(result.peer),
        _ratio(result.value, result.peer),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,g}"


def _aim(result: Result) -> str:
    """The aim, and whether it was missed."""
    if result.aim is None:
        return ""
    is_met = result.value >= result.aim if result.better == "more" else result.value <= result.aim
    return _number(result.aim) if is_met else f"{_number(result.aim)}, missed"


def _ratio(value: float, beside: float | None) -> str:
    return "" if beside is None else f"{value / beside:.2f}"
