"""Commands on knowledge points: list; published sheets: import, imports, undo."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from api.frame.formats import instant
from casework.audit import Act
from deploy import knowledge
from deploy.commands.coverage import coverage
from deploy.commands.output import By, Failure, Json, Opened, acting, note, print_json, print_table, run, say
from deploy.commands.publishing import say_switch
from deploy.knowledge import Import, Kept
from deploy.runtime import own_rule_set
from deploy.settings import load_settings
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.facts import Point
from knowledge_base.files.folders import look_into
from knowledge_base.files.yaml_files import FileFaults, collected
from knowledge_base.sheets.comparing import Comparison, Outcome, compared
from knowledge_base.sheets.reading import Reading, SheetReading, load_sheets
from knowledge_base.sheets.workbooks import XLSX
from rules_lib.publication import with_imported
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import Switch, publish_own
from streams.store.people import audit
from streams.store.sessions import borrowed

PUBLISHED = date(2025, 12, 31)
"""The day from which points of batches 1 to 8 hold: the days of their notices within 2025 are not established."""

_LOCKS = ("~$*",)
"""What office programs leave beside an open workbook."""


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="知识点 / knowledge points")
    group.command("list")(list_points)
    group.command()(coverage)
    group.command("import")(import_sheets)
    group.command()(imports)
    group.command()(undo)
    app.add_typer(group, name="knowledge")


def import_sheets(
    paths: Annotated[list[Path], typer.Argument(help="明细工作簿或其目录 / published workbooks (xlsx), or folders")],
    published: Annotated[
        str, typer.Option(help="公布日；未写明文件的知识点自该日有效 / from which day points hold that name no norm")
    ] = PUBLISHED.isoformat(),
    by: Annotated[str | None, typer.Option(help="导入人, 默认系统用户 / who imports, by default the user")] = None,
    json: Json = False,
) -> None:
    """导入公布的知识点明细并使之生效 / bring published sheets in force.

    Example: fundwatch knowledge import two-libraries/
    """
    from_day, who = _date(published), acting(by)
    answer = run(_import(_workbooks(paths), from_day, who))
    if json:
        print_json(answer)
    else:
        _say_import(answer)
    if answer.total.refused:
        raise typer.Exit(1)


class SheetCount(msgspec.Struct, frozen=True):
    """What became of a sheet's rows."""

    sheet: str
    added: int
    superseded: int
    unchanged: int
    refused: int


class RefusedRow(msgspec.Struct, frozen=True):
    """A row as the spreadsheet numbers it, 0 for a workbook as a whole, and why it was refused."""

    sheet: str
    row: int
    reason: str


class Imported(msgspec.Struct, frozen=True):
    """What ``knowledge import --json`` prints; without ``number`` and ``switch`` where nothing was new."""

    number: int | None
    sheets: list[SheetCount]
    total: SheetCount
    refused: list[RefusedRow]
    unknown: list[str]
    switch: Switch | None


class _Found(msgspec.Struct):
    """What was read of the workbooks."""

    files: list[str]
    sheets: list[SheetReading]
    unknown: list[str]
    refused: list[RefusedRow]


def _workbooks(paths: Sequence[Path]) -> list[Path]:
    """The workbooks that were named, and those of folders; whatever else lies there is told."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Failure(f"没有此文件或目录 / no such file: {path}")
        if not path.is_dir():
            found.append(path)
            continue
        contents = look_into(path, XLSX, beside=_LOCKS)
        found += contents.files
        for error in contents.errors:
            note(f"未读 / not read: {error}")
    if not found:
        raise Failure("没有工作簿（.xlsx）/ no workbooks (.xlsx)")
    return found


def _read(paths: Sequence[Path]) -> _Found:
    found = _Found([path.name for path in paths], [], [], [])
    faults: list[FileFaults] = []
    for path in paths:
        reading = Reading([], [])
        with collected(faults):
            reading = load_sheets(path)
            if not reading.sheets:
                reason = "没有认得的表头 / no sheet with a known head"
                found.refused.append(RefusedRow(path.name, 0, reason))
        found.sheets += reading.sheets
        found.unknown += reading.unknown
    found.refused += [RefusedRow(fault.path.name, 0, fault.message) for error in faults for fault in error.faults]
    return found


async def _import(paths: Sequence[Path], published: date, by: str) -> Imported:
    found = _read(paths)
    opened = Opened()
    async with opened as service, borrowed(service.pool) as connection:
        in_force = await service.rule_sets.in_force(connection)
        own = with_imported(service.rule_set, in_force)
        comparison = compared(own.facts, found.sheets, published, _farthest(own, in_force))
        answer = _answer(found, comparison)
        if not comparison.new:
            return answer
        home = opened.settings.knowledge_folder
        record = Import(
            number=max((kept.record.number for kept in knowledge.find_imports(home)), default=0) + 1,
            at=datetime.now(UTC),
            by=by,
            published=published,
            files=found.files,
            added=answer.total.added,
            superseded=answer.total.superseded,
            unchanged=answer.total.unchanged,
            refused=answer.total.refused,
        )
        kept = knowledge.save_import(home, comparison, record)
        try:
            async with connection.transaction():
                switch = await publish_own(connection, own_rule_set(opened.settings))
                said = {"added": str(record.added), "superseded": str(record.superseded)}
                await audit.note(connection, by, Act.IMPORTED_KNOWLEDGE, knowledge=str(record.number), **said)
        except BaseException:
            knowledge.remove_import(kept)
            raise
        return msgspec.structs.replace(answer, number=record.number, switch=switch)


def _farthest(*sets: RuleSet) -> dict[str, int]:
    """How many days back the rules of each catalogue look at most."""
    found: dict[str, int] = {}
    for rule in (rule for rule_set in sets for rule in rule_set.rules):
        for catalogue in rule.catalogues:
            found[catalogue] = min(rule.reach.back, found.get(catalogue, rule.reach.back))
    return found


def _answer(found: _Found, comparison: Comparison) -> Imported:
    told = [outcome for outcome in comparison.outcomes if outcome.sheet.said or outcome.refused]
    sheets = [_count(outcome) for outcome in told]
    refused = [RefusedRow(outcome.sheet.name, *row) for outcome in told for row in outcome.refused]
    total = SheetCount(
        "合计 total",
        sum(sheet.added for sheet in sheets),
        sum(sheet.superseded for sheet in sheets),
        sum(sheet.unchanged for sheet in sheets),
        len(refused) + len(found.refused),
    )
    return Imported(None, sheets, total, [*found.refused, *refused], found.unknown, None)


def _count(outcome: Outcome) -> SheetCount:
    return SheetCount(outcome.sheet.name, outcome.added, outcome.superseded, outcome.unchanged, len(outcome.refused))


def _say_import(answer: Imported) -> None:
    print_table(
        f"导入 {answer.number} / import {answer.number}" if answer.number else "没有新知识点 / nothing new",
        ("工作表 sheet", "新增 added", "取代 superseded", "不变 unchanged", "拒收 refused"),
        [msgspec.structs.astuple(sheet) for sheet in (*answer.sheets, answer.total)],
    )
    for name in answer.unknown:
        say(f"不认得的工作表，未读 / not read, no known head: {name}")
    for row in answer.refused:
        place = f"{row.sheet}, 第 {row.row} 行 row {row.row}" if row.row else row.sheet
        say(f"拒收 refused: {place}: {row.reason}")
    if answer.switch is not None:
        say_switch(answer.switch, say)


def imports(json: Json = False) -> None:
    """列出历次导入 / list the imports so far.

    Example: fundwatch knowledge imports
    """
    found = knowledge.find_imports(load_settings().knowledge_folder)
    if json:
        print_json([{**msgspec.to_builtins(kept.record), "undone": kept.undone} for kept in found])
        return
    print_table(
        "导入 / imports",
        (
            "序号 number",
            "北京时间 at (China)",
            "导入人 by",
            "文件 files",
            "公布日 published",
            "新增 added",
            "取代 superseded",
            "状态 state",
        ),
        [
            (
                kept.record.number,
                instant(kept.record.at),
                kept.record.by,
                "、".join(kept.record.files),
                kept.record.published,
                kept.record.added,
                kept.record.superseded,
                "已撤销 undone" if kept.undone else "生效 in force",
            )
            for kept in found
        ],
        right=9,
    )


def undo(
    number: Annotated[
        int | None, typer.Argument(help="导入序号, 默认最后一次 / which import, by default the last")
    ] = None,
    by: By = None,
    json: Json = False,
) -> None:
    """撤销一次导入 / take an import back.

    Example: fundwatch knowledge undo 2
    """
    kept, points, switch = run(_undo(number, acting(by)))
    if json:
        print_json(switch)
        return
    say(
        f"撤销了第 {kept.record.number} 次导入, {points:,} 个知识点, {len(kept.record.files)} 个文件 / "
        f"took back import {kept.record.number}: points {points:,}, files {len(kept.record.files)}"
    )
    say_switch(switch, say)


async def _undo(number: int | None, by: str) -> tuple[Kept, int, Switch]:
    """The import that is taken back, how many points it held, and the switch."""
    opened = Opened()
    home = opened.settings.knowledge_folder
    kept = _to_undo(knowledge.find_imports(home), number)
    points = knowledge.load_points(kept)
    async with opened as service, borrowed(service.pool) as connection:
        aside = knowledge.set_aside(home, kept)
        try:
            async with connection.transaction():
                switch = await publish_own(connection, own_rule_set(opened.settings), points)
                await audit.note(connection, by, Act.UNDID_IMPORT, knowledge=str(kept.record.number))
            return kept, len(points), switch
        except BaseException:
            knowledge.bring_back(home, aside)
            raise


def _to_undo(found: Sequence[Kept], number: int | None) -> Kept:
    standing = [kept for kept in found if not kept.undone and number in (None, kept.record.number)]
    if not standing:
        raise Failure(
            "没有这样的导入可撤销，见 knowledge imports / no such import to take back: fundwatch knowledge imports"
        )
    return standing[-1]


def list_points(
    catalogue: Annotated[str | None, typer.Option(help="只看一个目录 / one catalogue alone")] = None,
    code: Annotated[str | None, typer.Option(help="只看一个编码 / one item code alone")] = None,
    on: Annotated[str | None, typer.Option(help="在某日有效的 / in force on a day, 2026-03-01")] = None,
    json: Json = False,
) -> None:
    """列出知识点及其来源和日期 / list points with sources and dates.

    Example: fundwatch knowledge list --on 2026-03-01
    """
    day = _date(on).toordinal() if on else None
    facts = load_facts(imports=load_settings().knowledge_folder)
    points = [point for point in facts.points if _fits(point, catalogue, code, day)]
    if json:
        print_json([_words(point) for point in points])
        return
    print_table(
        f"知识点 / points: {len(points)}",
        ("目录 catalogue", "名称 name", "编码 codes", "内容 says", "自 from", "来源 source"),
        [
            (
                p.catalogue,
                p.name,
                p.codes[0] + (" …" if len(p.codes) > 1 else ""),
                _says(p),
                as_date(p.valid_from),
                p.source,
            )
            for p in points
        ],
        right=9,
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failure(f"日期要写成 2026-03-01 / expected a day like 2026-03-01: {text}") from None


def _fits(point: Point, catalogue: str | None, code: str | None, day: int | None) -> bool:
    return (
        catalogue in (None, point.catalogue)
        and (code is None or code in point.codes)
        and (day is None or point.holds_on(day))
    )


def _says(point: Point) -> str:
    words = point.row.model_dump(exclude={"name", "codes", "valid_from", "valid_to", "recorded_on", "source", "note"})
    return ", ".join(f"{name} {len(value) if isinstance(value, dict) else value}" for name, value in words.items())


def _words(point: Point) -> dict[str, object]:
    dates = {name: as_date(day) for name in ("valid_from", "recorded_on") if (day := getattr(point, name))}
    row = point.row.model_dump(mode="json", exclude={"valid_from", "valid_to", "recorded_on", "source", "note"})
    return {
        "id": point.point_id,
        "catalogue": point.catalogue,
        **row,
        **dates,
        "source": point.source,
        "note": point.note,
        "imported": point.imported,
    }
