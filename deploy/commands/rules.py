"""Commands on rules and facts: rules check, rules list, knowledge list."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.output import Failure, Json, console, print_json, print_table
from knowledge_base.days import as_date
from knowledge_base.facts import Point, load_facts
from rules_lib.cases import run_case
from rules_lib.rules import RULES, TOPICS, RuleSet, load_rule_set


def register(app: typer.Typer) -> None:
    rules = typer.Typer(no_args_is_help=True, help="规则 / rules")
    rules.command()(check)
    rules.command("list")(list_rules)
    app.add_typer(rules, name="rules")
    knowledge = typer.Typer(no_args_is_help=True, help="知识点 / knowledge points")
    knowledge.command("list")(list_points)
    knowledge.callback()(lambda: None)
    app.add_typer(knowledge, name="knowledge")


def check(
    folder: Annotated[Path, typer.Argument(help="规则目录 / folder with rule files")] = RULES, json: Json = False
) -> None:
    """检查规则文件并运行其案例 / check rule files and run their cases.

    Example: fundwatch rules check
    """
    rule_set = load_rule_set(load_facts(), folder)
    if not rule_set.rules:
        raise Failure(f"目录中没有规则文件 / no rule files in the folder: {folder}")
    faults = _failed_cases(rule_set)
    cases = sum(len(rule.cases) for rule in rule_set.rules)
    if json:
        print_json({"rules": len(rule_set.rules), "cases": cases, "failed": faults, "hash": rule_set.hash})
    else:
        console.print(f"{len(rule_set.rules)} 条规则 rules, {cases} 个案例 cases, 集合 set {rule_set.hash}")
    if faults:
        raise Failure("\n".join(faults))


def _failed_cases(rule_set: RuleSet) -> list[str]:
    faults = []
    for rule in rule_set.rules:
        for case in rule.cases:
            said, _ = run_case(case, rule, rule_set)
            if said != case["expect"]:
                faults.append(f"{rule.topic}/{rule.file}: {case['name']}: expected {case['expect']}, got {said}")
    return faults


def list_rules(json: Json = False) -> None:
    """列出规则 / list the rules.

    Example: fundwatch rules list
    """
    rule_set = load_rule_set(load_facts())
    if json:
        print_json([rule.model_dump(mode="json", exclude={"cases"}) for rule in rule_set.rules])
        return
    print_table(
        "规则 / rules",
        ("编码 id", "名称 name", "主题 topic", "级别 severity", "状态 status"),
        [
            (rule.id, f"{rule.name} · {rule.title.en}", TOPICS[rule.topic][0], int(rule.severity), rule.status)
            for rule in rule_set.rules
        ],
        right=9,
    )


def list_points(
    catalogue: Annotated[str | None, typer.Option(help="只看一个目录 / one catalogue alone")] = None,
    code: Annotated[str | None, typer.Option(help="只看一个编码 / one item code alone")] = None,
    on: Annotated[str | None, typer.Option(help="在某日有效的 / in force on a day, 2026-03-01")] = None,
    json: Json = False,
) -> None:
    """列出知识点及其来源和日期 / list points with sources and dates.

    Example: fundwatch knowledge list --on 2026-03-01
    """
    points = [point for point in load_facts().points if _fits(point, catalogue, code, _day(on))]
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


def _day(text: str | None) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() if text else None
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
    }
