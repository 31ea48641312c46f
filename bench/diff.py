"""Diff: ``python -m bench.diff [BASE]`` says what a change to rules, facts or checks does to a month's findings.

The golden month (``bench.golden``) is judged by the revision BASE, laid out in a folder of its own for that time, and
by the working tree. Printed are the findings added, removed and revised by rule, with two examples of each.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.golden import Found, Month, save_golden_month
from deploy.commands.output import note, print_table, say

HERE = Path(__file__).parent.parent
EXAMPLES = 2

Named = tuple[str, tuple[str, ...]]
"""A finding by rule and occurrence."""


class Changes(msgspec.Struct, frozen=True):
    """What is found otherwise, of one rule: added, removed, and revised with what was said before."""

    added: list[Found] = []
    removed: list[Found] = []
    revised: list[tuple[Found, Found]] = []


def month_of(tree: Path, events: Path) -> Month:
    """What a checkout finds in events. Raises ``SystemExit`` with what it says where it cannot."""
    words = [sys.executable, "-m", "bench.golden", str(events)]
    judging = subprocess.run(words, cwd=tree, capture_output=True, check=False)
    if judging.returncode:
        raise SystemExit(f"{tree}: 无法判断 / cannot judge:\n{judging.stderr.decode(errors='replace')}")
    return msgspec.json.decode(judging.stdout, type=Month)


def changes_between(base: Month, now: Month) -> dict[str, Changes]:
    """What is found otherwise, by rule; rules of which all is the same are left out."""
    before, after = _by_name(base), _by_name(now)
    changes: dict[str, Changes] = {}
    for name in sorted(before.keys() | after.keys()):
        was, found = before.get(name), after.get(name)
        of_rule = changes.setdefault(name[0], Changes([], [], []))
        if was is None and found is not None:
            of_rule.added.append(found)
        elif was is not None and found is None:
            of_rule.removed.append(was)
        elif was is not None and found is not None and was.says != found.says:
            of_rule.revised.append((was, found))
    return {rule: of for rule, of in changes.items() if of.added or of.removed or of.revised}


def _by_name(month: Month) -> dict[Named, Found]:
    return {(found.rule, found.occurrence): found for found in month.found}


@contextmanager
def laid_out(revision: str) -> Iterator[Path]:
    """A revision of this checkout in a folder of its own. Raises ``SystemExit`` where there is no such revision."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-base-") as name:
        tree = Path(name) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> str:
    asked = subprocess.run(["git", *words], cwd=HERE, capture_output=True, check=False)
    if asked.returncode:
        raise SystemExit(f"git {words[0]}: {asked.stderr.decode(errors='replace').strip()}")
    return asked.stdout.decode(errors="replace").strip()


def show(base: Month, now: Month) -> None:
    """Prints what is found otherwise."""
    titles = {**base.titles, **now.titles}
    changes = changes_between(base, now)
    rules = sorted(titles, key=lambda rule: (rule not in changes, rule))
    print_table(
        "疑点 / findings",
        ("规则 rule", "名称 title", "原有 base", "现有 now", "新增 added", "消失 removed", "改变 revised",
         "未评估 not evaluated"),
        [
            (
                rule,
                titles[rule],
                _count(base, rule),
                _count(now, rule),
                *(len(of) for of in msgspec.structs.astuple(changes.get(rule, Changes()))),
                f"{base.not_evaluated.get(rule, 0)} -> {now.not_evaluated.get(rule, 0)}",
            )
            for rule in rules
        ],
        right=2,
    )  # fmt: skip
    for rule, of in changes.items():
        _show_examples(rule, "新增 added", [[found] for found in of.added])
        _show_examples(rule, "消失 removed", [[found] for found in of.removed])
        _show_examples(rule, "改变 revised", of.revised)
    if not changes:
        say("没有不同 / nothing is found otherwise")


def _count(month: Month, rule: str) -> int:
    return sum(found.rule == rule for found in month.found)


def _show_examples(rule: str, kind: str, examples: Sequence[Sequence[Found]]) -> None:
    for versions in examples[:EXAMPLES]:
        say(f"{kind} {rule} {' '.join(versions[0].occurrence[1:])}")
        for found in versions:
            say(f"  {found.zh} / {found.en}")
        if len(versions) > 1:
            was, now = versions
            differs = [name for name in now.says if was.says.get(name) != now.says[name]]
            say(f"  {', '.join(differs)}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.diff", description=__doc__)
    parser.add_argument("base", nargs="?", default="HEAD", help="revision to compare with, by default the last commit")
    revision = parser.parse_args(arguments).base
    name = _git("log", "-1", "--format=%h %s", revision, "--")
    say(f"{name} -> 工作区 working tree")
    if revision == "HEAD" and not _git("status", "--porcelain"):
        note("工作区没有改动 / the working tree has no changes: BASE=HEAD~1 compares with the commit before")
    with tempfile.TemporaryDirectory(prefix="fundwatch-golden-") as folder, laid_out(revision) as tree:
        events = Path(folder) / "golden.jsonl"
        say(f"{save_golden_month(events):,} 个事件 events")
        show(month_of(tree, events), month_of(HERE, events))


if __name__ == "__main__":
    main(sys.argv[1:])
