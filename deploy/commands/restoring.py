"""Commands after a restore: resend-findings."""

import typer

from deploy.commands.output import By, Json, Opened, acting, counted, note, print_json, run
from deploy.commands.progress import note_unread
from streams.jobs.restoring import resend_findings as _resend
from streams.topics import FINDINGS


def register(app: typer.Typer) -> None:
    app.command()(resend_findings)


def resend_findings(by: By = None, json: Json = False) -> None:
    """数据库恢复到较早时刻后, 重新发出全部疑点的现状 / send every finding again after a restore to an earlier point.

    Readers outside forget what they have and begin at the offsets that are printed.

    Example: fundwatch resend-findings
    """
    run(_resend_findings(acting(by), json))


async def _resend_findings(by: str, json: bool) -> None:
    async with Opened() as service:
        findings, ends = await _resend(service.pool, service.bus, by)
        if findings:
            await note_unread(service, [FINDINGS])
    if json:
        print_json({"findings": findings, "from": {f"{end.topic}/{end.partition}": end.end for end in ends}})
        return
    note(f"{findings} 个疑点待重新发出 / {counted(findings, 'finding', 'findings')} will be sent again")
    for end in ends:
        note(f"此前的消息作废 / what came before is void: {end.topic}/{end.partition} < {end.end}")
