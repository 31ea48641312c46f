"""Whether the figures of the filled store are right: what leads say of themselves beside a plain count of findings."""

from api.frame.formats import today_in_china
from knowledge_base.days import as_date
from streams.store.sessions import connect

_DIFFERING = """
    with counted as (
        select f.area, f.lead_id, count(*) filter (where f.verdict is null) as undecided,
            count(*) filter (where f.verdict is not null) as decided
        from lead_findings f join makers m on m.id = f.rule_id
        where f.is_open and m.live and (f.excuse_until is null or f.excuse_until < $1) group by 1, 2
    )
    select count(*) from leads l left join counted c using (area, lead_id)
    where l.counts_from <= $1 and (l.undecided, l.decided) is distinct from
        (coalesce(c.undecided, 0), coalesce(c.decided, 0))
"""
_MISCOUNTED = """
    with lines as (
        select l.area, l.lead_id, l.line, max(l.in_question) as in_question, max(l.in_fund) as in_fund
        from leads d join lead_lines l using (area, lead_id) join lead_findings f using (area, finding_id)
        where d.lead_id < '1' and d.counts_from <= $1 and f.is_open
            and f.verdict is not distinct from nullif(d.state, 'open')
        group by 1, 2, 3
    ),
    money as (
        select area, lead_id, sum(in_question) as in_question, sum(in_fund) as in_fund from lines group by 1, 2
    )
    select count(*) from leads d left join money m using (area, lead_id)
    where d.lead_id < '1' and d.counts_from <= $1
        and (d.in_question, d.in_fund) is distinct from (coalesce(m.in_question, 0), coalesce(m.in_fund, 0))
"""
"""Of one lead in sixteen."""


async def check(dsn: str) -> None:
    """Raises ``RuntimeError`` where a lead counts other findings, or other money, than it holds."""
    connection = await connect(dsn)
    today = as_date(today_in_china())
    wrong = {what: await connection.fetchval(said, today) for what, said in _SAID.items()}
    await connection.close()
    if any(wrong.values()):
        raise RuntimeError(f"leads that are summed up wrongly: {wrong}")


_SAID = {"findings": _DIFFERING, "money": _MISCOUNTED}
