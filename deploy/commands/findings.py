"""Commands on findings: findings, explain."""

from typing import Annotated, Any

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, note, on_trial, print_json, print_table, run, say, whole_sight
from knowledge_base.days import as_date
from knowledge_base.findings import Finding
from rules_lib.rule_set import RuleSet
from rules_lib.wording import Names, finding_sentence, item_names, item_units, measured_words
from streams.jobs.explaining import Explanation, Reproduced
from streams.jobs.explaining import explain as explain_finding
from streams.messages.versions import encode_version
from streams.store.casework.queue import find_institution_names
from streams.store.operation import overview
from streams.store.operation.overview import FindingRow
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    app.command()(findings)
    app.command()(explain)


def findings(
    rule: Annotated[str | None, typer.Option(help="规则编码 / rule id")] = None,
    institution: Annotated[str | None, typer.Option(help="机构编码 / institution code")] = None,
    after: Annotated[str, typer.Option(help="从此编号之后 / ids behind this one")] = "",
    most: Annotated[int, typer.Option(min=1, max=1000, help="每页条数 / rows a page")] = 20,
    withdrawn: Annotated[bool, typer.Option(help="连同已撤回的 / withdrawn ones too")] = False,
    json: Json = False,
) -> None:
    """列出疑点 / list findings.

    Example: fundwatch findings --rule FW10000001 --most 5
    """
    run(_findings(rule, institution, after, most, withdrawn, json))


async def _findings(
    rule: str | None, institution: str | None, after: str, most: int, withdrawn: bool, json: bool
) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        shown = await service.rule_sets.in_force(connection)
        known = {*shown.cards} | set(await overview.count_findings(connection))
        if rule is not None and rule not in known:
            raise Failure(f"没有这条规则，现有 / no such rule, there are: {', '.join(sorted(known))}")
        sight = whole_sight()
        rows = await overview.find_findings(connection, rule, institution, after, most, withdrawn, sight)
        if institution is not None and not rows and not await overview.has_findings(connection, institution, sight):
            note(
                f"没有该机构的疑点，连已撤回的也没有，请核对编码 / there is no finding of this institution, not even a"
                f" withdrawn one, check the code: {institution}"
            )
        following = rows[-1].finding_id if len(rows) == most else None
        codes = {row.finding.institution for row in rows} | {w for row in rows for w in row.finding.occurrence[1:2]}
        names = Names(await find_institution_names(connection, codes), *_items(shown))
        if json:
            print_json({"findings": [_words(row, shown) for row in rows], "next": following})
            return
        print_table(
            "疑点 / findings",
            ("编号 finding", "规则 rule", "机构 institution", "说明 what", "金额 yuan"),
            [_row(row, shown, names) for row in rows],
            right=4,
        )
        if following is not None:
            say(f"下一页 / next page: --after {following}")


def _row(row: FindingRow, rule_set: RuleSet, names: Names) -> tuple[str, ...]:
    finding = row.finding
    rule = rule_set.cards.get(finding.maker_id)
    sentence = on_trial(rule) + finding_sentence(rule, finding, names, "zh") if rule else ""
    place = names.institutions.get(finding.institution, finding.institution)
    what = sentence if row.is_open else f"已撤回 withdrawn: {sentence}".rstrip(": ")
    return row.finding_id, finding.maker_id, place, what, f"{finding.amounts.in_question:,.2f}"


def _words(row: FindingRow, rule_set: RuleSet) -> dict[str, Any]:
    card = rule_set.cards.get(row.finding.maker_id)
    return (
        {"finding_id": row.finding_id, "area": row.area, "version": row.version, "open": row.is_open}
        | {"rule_id": row.finding.maker_id, "status": None if card is None else card.status}
        | {
            name: getattr(row.finding, name)
            for name in ("occurrence", "value", "limit", "institution", "amounts", "evidence", "points")
        }
        | {"first_day": as_date(row.finding.first_day), "last_day": as_date(row.finding.last_day)}
    )


def explain(
    finding: Annotated[str, typer.Argument(help="疑点编号 / finding id")],
    version: Annotated[int | None, typer.Option(help="版本, 默认最新 / version, the newest by default")] = None,
    json: Json = False,
) -> None:
    """按当时的数据和规则重算一条疑点 / judge a finding again as it was.

    Example: fundwatch explain 0062678de60aeea8087a1d6ec242f8d8
    """
    run(_explain(finding, version, json))


async def _explain(finding: str, version: int | None, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        area = await overview.find_area(connection, finding, whole_sight())
        answer = await explain_finding(connection, area, finding, version) if area is not None else None
        if area is None or answer is None:
            what = finding if version is None else f"{finding}, 版本 version {version}"
            raise Failure(f"没有这条疑点 / no such finding: {what}")
        if json:
            print_json({**msgspec.structs.asdict(answer), "stored": msgspec.json.decode(encode_version(answer.stored))})
        else:
            _show(answer, await service.rule_sets.in_force(connection))
    if answer.verdict is not Reproduced.SAME:
        raise Failure("重算结果不同 / judged again it is not the same")


_VERDICTS = {
    Reproduced.SAME: "相同 / same",
    Reproduced.DIFFERENT: "不同 / different",
    Reproduced.CHECK_CHANGED: "检查逻辑已改 / check changed",
}


def _items(rule_set: RuleSet) -> tuple[dict[str, str], dict[str, str]]:
    """What a set's facts call items, and what these are billed by."""
    return item_names(rule_set.facts), item_units(rule_set.facts)


def _measured(finding: Finding, rule_set: RuleSet) -> str:
    """What was measured and the limit, with their unit where the set has a card of the maker."""
    card = rule_set.cards.get(finding.maker_id)
    if card is None:
        return f"{finding.value} > {finding.limit}"
    return " > ".join(measured_words(card, finding, Names({}, *_items(rule_set)), "zh"))


def _line_ids(finding: Finding) -> str:
    return ", ".join(guilty.part[-1] for guilty in finding.guilty)


def _show(answer: Explanation, rule_set: RuleSet) -> None:
    stored = answer.stored
    rule = rule_set.cards.get(stored.finding.maker_id)
    print_table(
        f"疑点 finding {stored.finding_id}",
        ("", ""),
        [
            ("结论 verdict", _VERDICTS[answer.verdict]),
            ("版本 version", f"{stored.version} {stored.change.value} ({stored.cause})"),
            ("规则 rule", f"{stored.finding.maker_id} {rule.title.zh if rule else ''}"),
            ("规则集 set", stored.maker.set),
            ("测得与上限 value, limit", _measured(stored.finding, rule_set)),
            ("重算 judged again", "有此疑点 / found" if answer.again else "无此疑点 / not found"),
            (f"涉疑明细 {len(stored.finding.guilty)} guilty lines, 编号 ids", _line_ids(stored.finding)),
            ("知识点 points", ", ".join(stored.finding.points)),
            ("重放事件 events replayed", f"{answer.events} (as of {stored.as_of})"),
        ],
        right=2,
    )
