"""A plain reading of decisions and findings, against which what the store holds of them is compared."""

import json
from decimal import Decimal

import asyncpg

from casework.precision import Precision
from knowledge_base.findings import Change
from streams.messages.versions import decode_version
from streams.store.sessions import Connection


async def find_holding(connection: Connection) -> dict[str, tuple[int, str, int] | None]:
    """What holds on each finding: (decision, verdict, cited version), from the decisions and the bodies alone."""
    standing = await _find_standing(connection)
    bodies = [decode_version(row["body"]) for row in await connection.fetch("select body from lead_findings")]
    before: dict[str, set[str]] = {version.finding_id: set() for version in bodies}
    for version in bodies:
        if version.change is Change.WITHDRAWN and version.continued_by in before:
            before[version.continued_by].add(version.finding_id)
    held: dict[str, tuple[int, str, int] | None] = {}
    for name in before:
        line, step = {name}, {name}
        while step := set().union(*(before[one] for one in step)) - line:
            line |= step
        held[name] = None
        for row in standing:
            cites = {cited["finding_id"]: cited["version"] for cited in json.loads(row["cites"])}
            if line & cites.keys():
                held[name] = (row["decision_id"], row["decision"], cites.get(name, 0))
    return held


async def find_precisions(connection: Connection) -> dict[str, Precision]:
    """How often makers are right as it was counted last."""
    rows = await connection.fetch("select * from maker_precision")
    return {row["maker"]: Precision(row["confirmed"], row["decided"]) for row in rows}


async def count_precisions(connection: Connection) -> dict[str, Precision]:
    """The same from what holds on each finding and from the decisions alone."""
    standing = {row["decision_id"]: row for row in await _find_standing(connection)}
    makers = {row["finding_id"]: row["rule_id"] for row in await connection.fetch("select * from lead_findings")}
    counted: dict[str, Precision] = {}
    for name, held in (await find_holding(connection)).items():
        if held is None or held[1] == "returned" or not held[2]:
            continue
        decision = standing[held[0]]
        if decision["scope"] == "findings" and decision["ground"] != "settled":
            before = counted.get(makers[name], Precision())
            counted[makers[name]] = Precision(before.confirmed + (held[1] == "confirmed"), before.decided + 1)
    return counted


async def agree(connection: Connection) -> None:
    """That the store holds on each finding what the decisions say, and of each lead what its findings come to."""
    held, standing = await find_holding(connection), await _find_standing(connection)
    precisions = await find_precisions(connection)
    rows = await connection.fetch("select * from lead_findings")
    stored = {row["finding_id"]: (row["decision_id"], row["verdict"], row["cited_version"]) for row in rows}
    assert stored == {name: of or (None, None, None) for name, of in held.items()}
    for lead in await connection.fetch("select * from leads"):
        of_lead = [row for row in rows if row["lead_id"] == lead["lead_id"]]
        counting = [row for row in of_lead if row["is_open"]]
        states = {row["verdict"] or "open" for row in counting}
        states |= {row["verdict"] for row in of_lead if row["verdict"] is not None}
        if not states:  # as of before decisions had to cite something
            states = set([row["decision"] for row in standing if row["lead_id"] == lead["lead_id"]][-1:])
        state = next((name for name in ("open", "returned", "confirmed", "dismissed") if name in states), "open")
        money: dict[tuple[str, ...], Decimal] = {}
        bounds: dict[tuple[str, ...], Decimal] = {}
        for row in counting:
            if (row["verdict"] or "open") == state:
                for guilty in decode_version(row["body"]).finding.guilty:
                    bound = precisions.get(row["rule_id"], Precision()).bound
                    bounds[guilty.part] = max(bounds.get(guilty.part, Decimal(0)), bound)
                    money[guilty.part] = max(money.get(guilty.part, Decimal(0)), guilty.amounts.in_question)
        decided = sum(row["verdict"] is not None for row in counting)
        changed = sum(
            row["verdict"] is not None and (not row["is_open"] or row["version"] != row["cited_version"])
            for row in of_lead
        )
        assert lead["expected"] == sum((of * bounds[part] for part, of in money.items()), Decimal(0))
        assert (lead["state"], lead["in_question"]) == (state, sum(money.values(), Decimal(0)))
        assert (lead["undecided"], lead["decided"], lead["changed"]) == (len(counting) - decided, decided, changed)


async def _find_standing(connection: Connection) -> list[asyncpg.Record]:
    decisions = await connection.fetch("select * from decisions order by decision_id")
    undone = {row["undoes"] for row in decisions}
    return [row for row in decisions if row["decision"] != "undone" and row["decision_id"] not in undone]
