"""Commands on rules: check, traps, list, publish, status."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from deploy.commands.output import Failure, Json, Opened, acting, print_json, print_table, run, say
from deploy.commands.publishing import say_switch
from deploy.settings import load_settings
from knowledge_base.catalogues.files import load_facts
from knowledge_base.facts import Facts
from rules_lib.cases import failed_cases
from rules_lib.publication import with_imported
from rules_lib.rule_files import RULES, load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.traps import TRAPS, Answer, Verdict, try_traps
from streams.handlers.rule_sets import Switch
from streams.handlers.rule_sets import publish as publish_set
from streams.store.events import wider
from streams.store.judgements import published
from streams.store.judgements.published import PROGRAM
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    rules = typer.Typer(no_args_is_help=True, help="规则 / rules")
    rules.command()(check)
    rules.command()(traps)
    rules.command("list")(list_rules)
    rules.command()(publish)
    rules.command()(status)
    app.add_typer(rules, name="rules")


def _facts() -> Facts:
    """The facts of the program, and those imported."""
    return load_facts(imports=load_settings().knowledge_folder)


def check(
    folder: Annotated[Path, typer.Argument(help="规则目录 / folder with rule files")] = RULES, json: Json = False
) -> None:
    """检查规则文件并运行其案例 / check rule files and run their cases.

    Example: fundwatch rules check
    """
    rule_set = load_rule_set(_facts(), folder)
    if not rule_set.rules:
        raise Failure(f"目录中没有规则文件 / no rule files in the folder: {folder}")
    faults = failed_cases(rule_set)
    cases = sum(len(rule.cases) for rule in rule_set.rules)
    if json:
        print_json({"rules": len(rule_set.rules), "cases": cases, "failed": faults, "hash": rule_set.hash})
    else:
        say(f"{len(rule_set.rules)} 条规则 rules, {cases} 个案例 cases, 集合 set {rule_set.hash}")
    if faults:
        raise Failure("\n".join(faults))


_VERDICTS: dict[Verdict, str] = {
    "thought of": "已考虑 thought of",
    "excepted": "已说明 excepted",
    "not thought of": "未考虑 not thought of",
    "needless": "说明多余 needless",
    "does not apply": "不适用 does not apply",
}


def traps(
    rule: Annotated[str | None, typer.Argument(help="只看一条规则, 编码 / one rule alone, its id")] = None,
    folder: Annotated[Path, typer.Option(help="规则目录 / folder with rule files")] = RULES,
    json: Json = False,
) -> None:
    """由规则自己的命中案例生成常见情形, 看规则是否考虑到 / try on rules what happens to bills in real life.

    Example: fundwatch rules traps FW10000001
    """
    rule_set = load_rule_set(load_facts(), folder)
    asked = [of for of in rule_set.rules if rule in (None, of.id)]
    if not asked:
        raise Failure(f"没有这条规则 / no such rule: {rule}, {', '.join(sorted(rule_set.by_id))}")
    answers = [answer for of in asked for answer in try_traps(of, rule_set)]
    if json:
        print_json([_answer_words(answer) for answer in answers])
    else:
        _show_answers([answer for answer in answers if rule or answer.verdict != "thought of"])
        say(", ".join(f"{words} {_count(answers, verdict)}" for verdict, words in _VERDICTS.items()))
    if wrong := _count(answers, "not thought of") + _count(answers, "needless"):
        raise Failure(f"{wrong} 种情形未考虑或说明多余 / traps that a rule has not thought of, or excepts for nothing")


def _count(answers: Sequence[Answer], verdict: Verdict) -> int:
    return sum(answer.verdict == verdict for answer in answers)


def _show_answers(answers: Sequence[Answer]) -> None:
    print_table(
        "陷阱 / traps",
        ("规则 rule", "情形 trap", "结果 came out", "所见 saw", "说明或案例 reason, else case"),
        [
            (
                answer.rule.id,
                f"{answer.trap} {TRAPS[answer.trap].happens.zh}",
                _VERDICTS[answer.verdict],
                answer.came,
                answer.reason.zh if answer.reason else answer.case,
            )
            for answer in answers
        ],
        right=9,
    )


def _answer_words(answer: Answer) -> dict[str, object]:
    reason = answer.reason.model_dump() if answer.reason else None
    trap = TRAPS[answer.trap]
    told = {"rule": answer.rule.id, "trap": answer.trap, "happens": trap.happens.model_dump(), "becomes": trap.becomes}
    return {**told, "verdict": answer.verdict, "case": answer.case, "came": answer.came, "reason": reason}


def list_rules(json: Json = False) -> None:
    """列出规则 / list the rules.

    Example: fundwatch rules list
    """
    rule_set = load_rule_set(_facts())
    if json:
        print_json([rule.model_dump(mode="json", exclude={"cases"}) for rule in rule_set.rules])
        return
    print_table(
        "规则 / rules",
        ("编码 id", "名称 name", "主题 topic", "级别 severity", "状态 status"),
        [
            (rule.id, f"{rule.name} · {rule.title.en}", rule_set.topics[rule.topic].zh, int(rule.severity), rule.status)
            for rule in rule_set.rules
        ],
        right=9,
    )


def publish(
    folder: Annotated[Path, typer.Argument(help="规则目录 / folder with rule files")] = RULES,
    by: Annotated[str | None, typer.Option(help="发布人, 默认系统用户 / who publishes, by default the user")] = None,
    json: Json = False,
) -> None:
    """让一套规则生效, 处理进程在两批之间换用 / put rules in force; workers take them up between two batches.

    Example: fundwatch rules publish my-rules/
    """
    who = PROGRAM if folder == RULES else acting(by)
    rule_set = load_rule_set(_facts(), folder)
    if not rule_set.rules:
        raise Failure(f"目录中没有规则文件 / no rule files in the folder: {folder}")
    if faults := failed_cases(rule_set):
        raise Failure("\n".join(faults))
    if by == PROGRAM:
        raise Failure(f"{PROGRAM} 是本程序自带规则的发布人 / is who publishes the rules of this program itself")
    switch = run(_publish(rule_set, who))
    if json:
        print_json(switch)
    else:
        say_switch(switch, say)


async def _publish(rule_set: RuleSet, by: str) -> Switch:
    async with Opened() as service, borrowed(service.pool) as connection:
        return await publish_set(connection, rule_set, by)


class RulesStatus(msgspec.Struct, frozen=True):
    """What ``rules status --json`` prints."""

    in_force: str | None
    by: str | None
    own: str
    outstanding: list[published.Outstanding]
    people_outstanding: int
    subjects_outstanding: int
    suspended: list[str]


def status(json: Json = False) -> None:
    """生效的规则与尚待重判的 / the set in force, and what is outstanding.

    Example: fundwatch rules status
    """
    found = run(_status())
    if json:
        print_json(found)
        return
    say(f"生效 in force {found.in_force} ({found.by or '?'})")
    for words in found.suspended:
        say(f"停用 suspended: {words}")
    if found.own != found.in_force:
        say(f"本程序自带另一套，可用 rules publish 使之生效 / this program has another set: {found.own}")
    for entry in found.outstanding:
        say(f"待重判 outstanding: {entry.area}: {', '.join(entry.rules)}")
    say(f"待重判人数 people outstanding: {found.people_outstanding:,}")


async def _status() -> RulesStatus:
    async with Opened() as service, borrowed(service.pool) as connection:
        set_in_force = await service.rule_sets.in_force(connection)
        return RulesStatus(
            in_force=await published.find_in_force(connection),
            by=await published.find_publisher(connection),
            own=with_imported(service.rule_set, set_in_force).hash,
            outstanding=await published.find_outstanding(connection),
            people_outstanding=await published.count_outstanding(connection),
            subjects_outstanding=await wider.count_touched(connection),
            suspended=[
                f"{rule.id}: {rule.topic}/{rule.file}: {rule.place}: {rule.fault}" for rule in set_in_force.suspended
            ],
        )
