"""How much of what was planted was found, and how much of what was found was planted.

An act is found when at least one of its lines is guilty in some finding; a finding is right when at least one of
its guilty lines belongs to a guilty act. Intervals are Wilson's, 95 % (E. B. Wilson, JASA 22, 1927).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from math import sqrt
from pathlib import Path
from typing import NamedTuple
from unicodedata import east_asian_width

import msgspec
import zstandard

from deploy.county.truth import NAMES, Act, Kind, LineKey

_Z = 1.959964


class FoundLines(NamedTuple):
    """A finding as far as scoring looks at it: its rule, its name, its guilty lines."""

    rule_id: str
    finding_id: str
    guilty: Collection[LineKey]


class Share(msgspec.Struct, frozen=True):
    """``hits`` of ``of``, with the share and its interval; all three are ``None`` of nothing."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


class KindScore(msgspec.Struct, frozen=True):
    """One kind of act. For guilty kinds ``found`` is recall, for innocent kinds the share accused."""

    kind: str
    name: str
    guilty: bool
    seen_by_rules: bool
    found: Share


class Score(msgspec.Struct, frozen=True):
    """Recall by kind, innocents accused by kind, precision by rule and over all rules."""

    kinds: tuple[KindScore, ...]
    recall: Share
    precision: Share
    precision_by_rule: dict[str, Share]


def score(truth_path: Path, findings: Iterable[FoundLines]) -> Score:
    """Compare findings with the truth file. Raises ``msgspec.DecodeError`` where the file is no truth file."""
    acts = load_truth(truth_path)
    planted = {line for act in acts if act.guilty for line in act.lines}
    right: defaultdict[str, int] = defaultdict(int)
    raised: defaultdict[str, int] = defaultdict(int)
    disputed: set[LineKey] = set()
    for finding in findings:
        disputed.update(finding.guilty)
        raised[finding.rule_id] += 1
        right[finding.rule_id] += any(line in planted for line in finding.guilty)
    return Score(
        kinds=tuple(_score_kind(kind, acts, disputed) for kind in Kind),
        recall=_found([act for act in acts if act.guilty], disputed),
        precision=wilson(sum(right.values()), sum(raised.values())),
        precision_by_rule={rule: wilson(right[rule], raised[rule]) for rule in sorted(raised)},
    )


def load_truth(truth_path: Path) -> list[Act]:
    """The acts of a truth file (JSON Lines, zstd where the path ends in ``.zst``)."""
    content = truth_path.read_bytes()
    if truth_path.suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(content) as reader:
            content = reader.read()
    return [msgspec.json.decode(line, type=Act) for line in content.splitlines()]


def wilson(hits: int, of: int) -> Share:
    """A share with Wilson's 95 % interval."""
    if of == 0:
        return Share(hits, of, None, None, None)
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Share(hits, of, round(share, 4), round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4))


def write_table(result: Score) -> str:
    """The score as plain text for people, Chinese first."""
    return "\n".join(_rows(result))


def _score_kind(kind: Kind, acts: list[Act], disputed: set[LineKey]) -> KindScore:
    of_kind = [act for act in acts if act.kind is kind]
    chinese, english = NAMES[kind]
    return KindScore(kind, f"{chinese} {english}", kind.is_guilty, kind.is_seen_by_rules, _found(of_kind, disputed))


def _found(acts: list[Act], disputed: set[LineKey]) -> Share:
    return wilson(sum(any(line in disputed for line in act.lines) for act in acts), len(acts))


def _rows(result: Score) -> Iterator[str]:
    yield "查出率 Recall by kind (found / planted, 95 % interval)"
    yield from (_row(kind.name, kind.found) for kind in result.kinds if kind.guilty and kind.seen_by_rules)
    yield "规则看不到的 What rules cannot see"
    yield from (_row(kind.name, kind.found) for kind in result.kinds if kind.guilty and not kind.seen_by_rules)
    yield "被疑的无辜者 Innocents accused (accused / acts)"
    yield from (_row(kind.name, kind.found) for kind in result.kinds if not kind.guilty)
    yield "准确率 Precision by rule (right / findings)"
    yield from (_row(rule, share) for rule, share in result.precision_by_rule.items())
    yield _row("合计查出率 Recall", result.recall)
    yield _row("合计准确率 Precision", result.precision)


def _row(name: str, share: Share) -> str:
    padding = " " * max(1, 62 - sum(2 if east_asian_width(letter) in "WF" else 1 for letter in name))
    counts = f"{share.hits:>6} / {share.of:<6}"
    if share.value is None or share.low is None or share.high is None:
        return f"  {name}{padding}{counts}      –"
    return f"  {name}{padding}{counts} {share.value:6.1%}  [{share.low:.1%}, {share.high:.1%}]"
