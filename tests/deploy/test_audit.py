"""What is begun at the command line stands in the audit log, by whom it was told, and what changed nothing does not."""

import asyncio
import json
import shutil
from getpass import getuser
from pathlib import Path

import pytest

from rules_lib.rule_files import RULES
from streams.store.judgements.published import PROGRAM
from streams.store.sessions import connect
from tests.deploy.test_knowledge import MADE_UP, cap_of, saved, send_visits
from tests.shell import Shell

Told = tuple[str, str, dict[str, str]]
"""Who did what, to what."""


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


def noted(shell: Shell) -> list[Told]:
    """Every entry, as a plain query reads it."""

    async def ask() -> list[Told]:
        connection = await connect(shell.environment["FUNDWATCH_DATABASE_URL"])
        rows = await connection.fetch("select by, act, about from audit_log order by seq")
        await connection.close()
        return [(row["by"], row["act"], json.loads(row["about"])) for row in rows]

    return asyncio.run(ask())


def test_rules_that_come_into_force_are_noted_once(shell: Shell, tmp_path: Path) -> None:
    shell("migrate")
    own = shell.json("rules", "status")["in_force"]
    first: list[Told] = [(PROGRAM, "published_rules", {"rule_set": own, "before": ""})]
    shell("migrate")
    assert noted(shell) == first
    fewer = tmp_path / "rules"
    shutil.copytree(RULES, fewer)
    (fewer / "stays" / "bed_days_exceed_the_stay.yaml").unlink()
    after = shell.json("rules", "publish", str(fewer), "--by", "王莉")["after"]
    for _ in range(2):
        shell("rules", "publish", str(fewer), "--by", "王莉")
        shell("migrate")
    assert noted(shell) == [*first, ("王莉", "published_rules", {"rule_set": after, "before": own})]


def test_knowledge_and_what_is_done_anew_are_noted_with_whoever_began_it(shell: Shell, tmp_path: Path) -> None:
    send_visits(shell, MADE_UP)
    sheets = saved(tmp_path / "in", cap_of(MADE_UP))
    for _ in range(2):
        shell("knowledge", "import", sheets, "--by", "甲")
    for _ in range(2):
        shell("rejudge", "--by", "乙")
    shell("knowledge", "undo")
    shell("redigest", "--by", "丙")
    shell("resend-findings")
    told = [(by, act, about) for by, act, about in noted(shell) if act != "published_rules"]
    assert told == [
        ("甲", "imported_knowledge", {"knowledge": "1", "added": "1", "superseded": "0"}),
        ("乙", "began_rejudge", {"people": "1", "subjects": "0"}),
        (getuser(), "undid_import", {"knowledge": "1"}),
        ("丙", "began_redigest", {"digests": "0"}),
        (getuser(), "resent_findings", {"findings": "1"}),
    ]
    assert [by for by, act, _ in noted(shell) if act == "published_rules"] == [PROGRAM] * 3


@pytest.mark.parametrize("act", ["imported_knowledge", "published_rules"])
def test_what_is_not_noted_is_not_done(shell: Shell, tmp_path: Path, postgres_url: str, act: str) -> None:
    async def refuse() -> None:
        connection = await connect(postgres_url)
        await connection.execute(f"alter table audit_log add constraint no check (act <> '{act}') not valid")
        await connection.close()

    shell("migrate")
    before = noted(shell)
    asyncio.run(refuse())
    assert shell.run("knowledge", "import", saved(tmp_path / "in", cap_of(MADE_UP))).returncode == 1
    assert (noted(shell), shell.json("knowledge", "imports")) == (before, [])
    assert shell.json("rules", "status")["in_force"] == before[0][2]["rule_set"]


def test_the_log_is_listed_by_filter_page_by_page(shell: Shell) -> None:
    for login in ("one", "two", "three"):
        shell("people", "add", login, "--role", "auditor", "--by", "王莉")
    shell("people", "disable", "two", "--by", "李强")
    every = [(by, act, about) for by, act, about in reversed(noted(shell))]
    found = list[Told]()
    page = shell.json("audit", "list", "--most", "2")
    while page["entries"]:
        found += [(of["by"], of["act"], of["about"]) for of in page["entries"]]
        page = shell.json("audit", "list", "--most", "2", "--before", str(page["entries"][-1]["seq"]))
    assert found == every
    for option, chosen in (
        (("--who", "王莉"), [told for told in every if told[0] == "王莉"]),
        (("--act", "closed_account"), [told for told in every if told[1] == "closed_account"]),
        (("--lead", "0" * 32), []),
        (("--last", "2000-01-01"), []),
        (("--first", "2000-01-01"), every),
    ):
        listed = shell.json("audit", "list", *option)
        assert ([(of["by"], of["act"], of["about"]) for of in listed["entries"]], listed["next"]) == (chosen, None)
    assert "停用账号 closed_account" in shell("audit", "list")
    assert shell.run("audit", "list", "--first", "soon").returncode != 0
