"""Benchmarks of two checkouts run in turn, round by round, and what each measured is told by its jobs."""

from pathlib import Path

import pytest

from bench.beside import Job, measure

BENCHMARK = """
from pathlib import Path

from bench.results import Reporter, measure_interleaved

NOTES, SIDE = Path({notes!r}), {side!r}
_COUNTY = None


def CountyPlan(scale):
    return round(1 / scale)


def noted(part):
    with NOTES.open("a") as notes:
        print(SIDE, part, file=notes)
    return float(len(NOTES.read_text().splitlines()))


def run():
    first = measure_interleaved({{"first": lambda: noted("first")}})
    second = measure_interleaved({{"second": lambda: noted("second")}})
    report = Reporter("tiny", {{**first, **second, "county": [float(_COUNTY or 0)]}})
    return [report.result(job, job, "notes", "less") for job in ("first", "second", "county", "first")]
"""


def checkout(folder: Path, notes: Path) -> Path:
    """A checkout that has the real way of reporting and a benchmark that notes when it works."""
    bench = folder / "bench"
    bench.mkdir(parents=True)
    (bench / "__init__.py").touch()
    (bench / "results.py").write_text((Path(__file__).parents[2] / "bench" / "results.py").read_text())
    (bench / "tiny.py").write_text(BENCHMARK.format(notes=str(notes), side=folder.name))
    return folder


def test_both_work_in_turn_and_the_first_round_is_thrown_away(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    sides = checkout(tmp_path / "other", notes), checkout(tmp_path / "own", notes)
    other, own = measure(sides, "tiny", 2, 60)
    in_turn = ["own", "other", "other", "own", "own", "other"]
    assert notes.read_text().split("\n")[:-1] == [f"{side} {part}" for part in ("first", "second") for side in in_turn]
    assert other["first (notes)"] == Job("first", (3 + 6) / 2, "notes")
    assert other["first (notes) [2]"] == other["first (notes)"], "parts of two jobs may be called alike"
    assert own["second (notes)"] == Job("second", (10 + 11) / 2, "notes")
    assert other["county (notes)"].value == own["county (notes)"].value == 60


def test_a_benchmark_that_breaks_ends_the_run(tmp_path: Path) -> None:
    sides = checkout(tmp_path / "other", tmp_path / "notes"), checkout(tmp_path / "own", tmp_path / "notes")
    (sides[0] / "bench" / "tiny.py").write_text("def run(): raise ValueError")
    with pytest.raises(SystemExit, match="before its time, with 1"):
        measure(sides, "tiny", 2, 0)


def test_a_county_for_a_benchmark_without_one_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sides = checkout(tmp_path / "other", tmp_path / "notes"), checkout(tmp_path / "own", tmp_path / "notes")
    (sides[0] / "bench" / "tiny.py").write_text("def run(): return []")
    with pytest.raises(SystemExit, match="before its time"):
        measure(sides, "tiny", 2, 60)
    assert "tiny takes in no county" in capfd.readouterr().err
