"""Commands on decisions: followed."""

from typing import Annotated, Any

import msgspec
import typer

from api.frame.formats import instant
from api.frame.texts import load_texts
from deploy.commands.output import Json, Opened, print_json, print_table, run, say, whole_sight
from streams.store.casework.followed import Followed, Gone, find_followed
from streams.store.casework.queue import find_institution_names
from streams.store.sessions import borrowed


def register(app: typer.Typer) -> None:
    decisions = typer.Typer(no_args_is_help=True, help="决定 / decisions")
    decisions.command()(followed)
    decisions.callback()(lambda: None)
    app.add_typer(decisions, name="decisions")


def followed(
    after: Annotated[str, typer.Option(help="从此线索之后 / leads behind this one")] = "",
    most: Annotated[int, typer.Option(min=1, max=200, help="每页线索数 / leads a page")] = 20,
    json: Json = False,
) -> None:
    """对已不在现行规则集的规则的疑点所作决定及其后续 / decisions on findings of rules that are gone, and what followed.

    Example: fundwatch decisions followed
    """
    run(_followed(after, most, json))


async def _followed(after: str, most: int, json: bool) -> None:
    async with Opened() as service, borrowed(service.pool) as connection:
        known = (await service.rule_sets.in_force(connection)).cards.keys()
        found, following = await find_followed(connection, known, whole_sight(), after, most)
        names = await find_institution_names(connection, {entry.institution for entry in found})
    if json:
        print_json({"decisions": [_words(entry) for entry in found], "next": following})
        return
    print_table(
        "对已不在现行规则集的规则的疑点所作决定 / decisions on findings of rules that are gone",
        ("决定 decision", "线索 lead", "疑点 finding", "现在 now", "之后 followed by"),
        [
            (_decided(entry), _lead(entry, names), f"{gone.rule_id} {gone.finding_id}", _state(gone), _after(gone))
            for entry in found
            for gone in entry.gone
        ],
        right=9,
    )
    if following is not None:
        say(f"下一页 / next page: --after {following}")


def _decided(entry: Followed) -> str:
    decision = entry.decision
    verdict = f"{load_texts('zh')(f'verdicts.{decision.decision.value}')} {decision.decision.value}"
    return f"{decision.decision_id} {verdict}, {decision.decided_by}, {instant(decision.recorded_at)}"


def _lead(entry: Followed, names: dict[str, str]) -> str:
    institution = names.get(entry.institution, entry.institution)
    return f"{institution}, {entry.topic}, {entry.service_year} ({entry.decision.lead_id})"


def _state(gone: Gone) -> str:
    return "未复核 not judged again" if gone.is_open else "已撤回 withdrawn"


_HOW = {"continue": "延续 continued", "share": "同一明细 same lines", "nothing": "无 nothing"}


def _after(gone: Gone) -> str:
    return " ".join([_HOW[gone.how], *(place.finding_id for place in gone.followed_by)])


def _words(entry: Followed) -> dict[str, Any]:
    decision = entry.decision
    told = ("area", "lead_id", "decision_id", "decision", "decided_by", "recorded_at")
    return {name: getattr(decision, name) for name in told} | {
        "institution": entry.institution,
        "topic": entry.topic,
        "service_year": entry.service_year,
        "findings": msgspec.to_builtins(entry.gone),
    }
