"""What sheets say beside what is known already: what became of each row, and the rows of catalogues that it makes.

A row is of one code, or of one pair: added where nothing holds for it on its first day, unchanged where what holds says
the same, superseding where it says something else. Of an item with several parts (what it includes, its groups of
operations) sheets add to the parts that are known and take none away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from knowledge_base.catalogues.rows import AnyRow
from knowledge_base.facts import Facts
from knowledge_base.sheets.reading import Refused, SheetReading

_PARTS = ("included", "groups")
"""Fields that hold several parts of one item."""

_NO_VALUES = frozenset({*AnyRow.model_fields, "why"})
"""Fields that say nothing of the limit. Why a pair is one, the project says in words of its own."""


@dataclass
class Outcome:
    """What became of the rows of one sheet."""

    sheet: SheetReading
    added: int = 0
    superseded: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)


class Comparison(NamedTuple):
    """What became of every sheet's rows, and the new rows by catalogue, each with its first day and source."""

    outcomes: list[Outcome]
    new: Mapping[str, list[AnyRow]]


def compared(facts: Facts, sheets: Iterable[SheetReading], published: date, farthest: Mapping[str, int]) -> Comparison:
    """Sheets beside what is known. Points whose row names no norm hold from the day ``published``.

    ``farthest`` says by catalogue how many days back its rules look at most: a row that needs more is refused.
    """
    comparing = _Comparing(facts, published, farthest)
    outcomes = [comparing.compare(sheet) for sheet in sheets]
    return Comparison(outcomes, comparing.rows())


class _Key(NamedTuple):
    catalogue: str
    code: str
    first_day: date


@dataclass
class _New:
    """What the sheets make of an item: its row with all parts, and which rows of which sheet say so."""

    row: AnyRow
    rows: dict[str, list[int]]


class _Comparing:
    def __init__(self, facts: Facts, published: date, farthest: Mapping[str, int]) -> None:
        self._facts = facts
        self._published = published
        self._farthest = farthest
        self._new: dict[_Key, _New] = {}

    def compare(self, sheet: SheetReading) -> Outcome:
        outcome = Outcome(sheet, refused=list(sheet.refused))
        for number, (catalogue, row) in sheet.said:
            farthest = self._farthest.get(catalogue)
            if farthest is not None and row.days_back > farthest:
                reason = f"规则只回看 {farthest} 天 / its rule looks {farthest} days back, and not {row.days_back}"
                outcome.refused.append(Refused(sheet.head + number, reason))
            else:
                self._compare_row(outcome, number, catalogue, row)
        outcome.refused.sort()
        return outcome

    def _compare_row(self, outcome: Outcome, number: int, catalogue: str, row: AnyRow) -> None:
        key = _Key(catalogue, row.codes[0], row.valid_from or self._published)
        new = self._new.get(key)
        known = new.row if new is not None else self._known(key)
        if known is not None and _says(known, row):
            outcome.unchanged += 1
        elif known is not None and (more := _with_parts(known, row)) is not None:
            outcome.added += 1
            self._keep(key, more, outcome.sheet, number)
        elif new is not None:
            reason = f"与前面的行矛盾 / contradicts a row before it: {key.code}"
            outcome.refused.append(Refused(outcome.sheet.head + number, reason))
        else:
            outcome.added += known is None
            outcome.superseded += known is not None
            self._keep(key, row, outcome.sheet, number)

    def _known(self, key: _Key) -> AnyRow | None:
        point = self._facts.in_force(key.catalogue, key.code, key.first_day.toordinal())
        return None if point is None else point.row

    def _keep(self, key: _Key, row: AnyRow, sheet: SheetReading, number: int) -> None:
        new = self._new.setdefault(key, _New(row, {}))
        new.row = row
        new.rows.setdefault(sheet.name, []).append(number)

    def rows(self) -> dict[str, list[AnyRow]]:
        """The new rows; items of which the same is said stand in one row, in the order of the sheets."""
        together: dict[tuple[str, str], list[tuple[_Key, _New]]] = {}
        for key, new in self._new.items():
            alone = key.code if _parts(new.row) else ""
            said = new.row.model_dump_json(exclude={"codes", "valid_from"})
            together.setdefault((key.catalogue, f"{alone} {key.first_day} {[*new.rows]} {said}"), []).append((key, new))
        found: dict[str, list[AnyRow]] = {}
        for (catalogue, _), items in together.items():
            found.setdefault(catalogue, []).append(_joined(items))
        return found


def _joined(items: Sequence[tuple[_Key, _New]]) -> AnyRow:
    key, first = items[0]
    numbers = sorted(number for _, new in items for of_sheet in new.rows.values() for number in of_sheet)
    return first.row.model_copy(
        update={
            "codes": tuple(key.code for key, _ in items),
            "valid_from": key.first_day,
            "valid_to": None,
            "recorded_on": None,
            "source": "; ".join(first.rows),
            "rows": _ranges(numbers),
        }
    )


def _values(row: AnyRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).model_fields if name not in _NO_VALUES}


def _parts(row: AnyRow) -> list[str]:
    return [name for name in _PARTS if name in type(row).model_fields]


def _says(known: AnyRow, row: AnyRow) -> bool:
    """Whether what is known says all that a row says."""
    held, values, parts = _values(known), _values(row), _parts(row)
    return all(
        set(value) <= set(held[name]) if name in parts else value == held[name] for name, value in values.items()
    )


def _with_parts(known: AnyRow, row: AnyRow) -> AnyRow | None:
    """What is known with the parts of a row, ``None`` where the row says something else of the item."""
    held, values, parts = _values(known), _values(row), _parts(row)
    if not parts or any(value != held[name] for name, value in values.items() if name not in parts):
        return None
    return known.model_copy(update={name: _union(held[name], values[name]) for name in parts})


def _union(held: Any, more: Any) -> Any:
    return held | more if isinstance(held, dict) else tuple(dict.fromkeys((*held, *more)))


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in short: ``3-6, 9``."""
    runs: list[list[int]] = []
    for number in dict.fromkeys(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
