"""The journals of gateway processes: whose they are, what waits in them, and whether they are whole."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from deploy.commands.examination.signs import Sign, fault, ok, warning
from streams.journal.folder import JournalState, find_journals, look_into

ABOUT = "日志 / journal"
OLD = 60.0
"""Seconds after which a living process should have sent a message on."""


def examine_journals(parent: Path, now: datetime) -> Iterator[Sign]:
    """Each journal in a folder; one that cannot be read is a sign too."""
    try:
        folders = find_journals(parent)
    except OSError as error:
        yield fault(ABOUT, f"{parent}: {type(error).__name__}", "检查目录权限 / check the folder's rights")
        return
    for folder in folders:
        try:
            yield examine_journal(folder, look_into(folder), now)
        except OSError as error:
            yield fault(ABOUT, f"{folder}: {type(error).__name__}", "检查目录权限 / check the folder's rights")


def examine_journal(folder: Path, state: JournalState, now: datetime) -> Sign:
    """What is amiss with a journal."""
    age = (now - (state.oldest_at or now)).total_seconds()
    says = f"{folder}: {state.records} 条未发 unsent, {age:.0f} 秒 s"
    if state.damaged:
        return fault(ABOUT, f"{says}, 损坏的段 damaged {state.damaged}", "docs/monitoring.md#journaldamaged")
    if state.is_held and age > OLD:
        return fault(ABOUT, says, "总线是否可达？/ is the bus reached? docs/monitoring.md#journalold")
    if state.records and not state.is_held:
        return warning(ABOUT, f"{says}, 没有进程 / no process has it", f"fundwatch journal send {folder}")
    return ok(ABOUT, says)
