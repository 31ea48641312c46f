"""The commands as a user runs them, each in a process of its own, on a store of their own."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from api.access.sessions import ensure_first_user
from deploy.county import CountyPlan, write_county
from rules_lib.rule_files import RULES
from streams.store.people.users import find_password_hash
from streams.store.sessions import connect
from streams.topics import CLAIMS, TOPICS
from tests.patience import PATIENCE
from tests.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
GOOD = b'{"kind":"patient_status","event_id":"t:1","area":"a","patient":"p1","happened_at":"2026-03-01T00:00:00Z",'


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path, postgres_url)


def test_the_version_is_that_of_the_project(shell: Shell) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert shell("--version") == f"fundwatch {project['version']}\n"


def test_an_import_is_accounted_for_and_a_second_run_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl.zst"
    events = write_county(CountyPlan(scale=1 / 1000), claims, tmp_path / "truth.jsonl")
    first = shell.json("import", "claims", str(claims))
    again = shell.json("import", "claims", str(claims))
    assert first["received"] == first["accepted"] == events
    assert first["lost"] == 0
    assert (again["received"], again["findings"], again["leads"]) == (0, {}, 0)
    account = shell.json("reconcile")
    assert (account["received"], account["troubles"]) == (events, [])
    assert account["lost"] == 0
    assert all(lag["behind"] == 0 for lag in shell.json("lag"))


def test_a_misspelt_field_is_told_at_the_end_of_its_import_and_by_reconcile(shell: Shell) -> None:
    given = GOOD + b'"sender":"t","change":"death","patiant":"somebody"}\n'
    closing = shell.json("import", "claims", "-", "--source", "stdin", given=given)
    told = {"source": "stdin", "kind": "patient_status", "field": "patiant", "seen": 1, "meant": "patient"}
    assert closing["unknown_fields"] == [told]
    assert shell.json("reconcile")["unknown_fields"] == [told]
    another = shell("import", "claims", "-", given=given.replace(b"t:1", b"t:2"))
    assert "patiant" in another
    assert "did you mean" in another
    assert "(spot checks, 20 at most are named)" in another
    assert "somebody" not in another
    sound = GOOD.replace(b"t:1", b"t:3") + b'"sender":"t","change":"death"}\n'
    assert shell.json("import", "claims", "-", given=sound)["unknown_fields"] == []


def test_people_of_an_import_are_called_as_at_the_gateway(shell: Shell, tmp_path: Path, postgres_url: str) -> None:
    """And once, however often; without being asked people keep the names that they have."""
    given = tmp_path / "claims.jsonl"
    given.write_bytes(GOOD + b'"sender":"t","change":"death"}\n')
    assert shell.json("import", "claims", str(given), "--as-at-the-door")["accepted"] == 1
    assert shell.json("import", "claims", str(given), "--as-at-the-door")["received"] == 0
    again = given.with_name("again.jsonl")
    again.write_bytes(given.read_bytes().replace(b"t:1", b"t:2"))
    assert shell.json("import", "claims", str(again))["accepted"] == 1

    async def patients() -> list[str]:
        connection = await connect(postgres_url)
        try:
            return [row["patient"] for row in await connection.fetch("select patient from events order by event_id")]
        finally:
            await connection.close()

    renamed, as_it_is = asyncio.run(patients())
    assert as_it_is == "p1"
    assert re.fullmatch("N[A-Z2-7]{24}", renamed)


def test_the_same_events_from_another_file_are_duplicates(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    events = write_county(CountyPlan(scale=1 / 5000), claims, tmp_path / "truth.jsonl")
    shell.json("import", "claims", str(claims))
    again = shell.json("import", "claims", "-", given=claims.read_bytes())
    assert (again["received"], again["accepted"], again["duplicate"]) == (events, 0, events)
    assert again["lost"] == 0


def test_a_bad_line_becomes_a_dead_letter_that_can_be_shown_and_replayed(shell: Shell) -> None:
    lines = GOOD + b'"sender":"t","change":"death"}\n{"kind":"claim","event_id":5}\n'
    closing = shell.json("import", "claims", "-", given=lines, code=1)
    assert (closing["accepted"], closing["dead"], closing["lost"]) == (1, 1, 0)
    listed = shell.json("dead-letters", "list")
    (letter,) = listed["letters"]
    assert listed["next"] is None
    assert any(reason.startswith("event_id:") for reason in letter["letter"]["reasons"])
    assert any(reason.startswith("patient:") for reason in letter["letter"]["reasons"])
    assert shell.json("dead-letters", "show", letter["name"])["body"] == '{"kind":"claim","event_id":5}'
    shell("dead-letters", "replay", letter["name"])
    assert shell.json("lag") != []
    assert "was replayed before" in shell("dead-letters", "replay", letter["name"], code=1)


def test_findings_page_through_and_explain_says_same(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 2000), claims, tmp_path / "truth.jsonl")
    counted = sum(shell.json("import", "claims", str(claims))["findings"].values())
    seen: list[str] = []
    after = ""
    while after is not None:
        page = shell.json("findings", "--most", "20", "--after", after)
        assert {finding["status"] for finding in page["findings"]} == {"live"}
        seen += [row["finding_id"] for row in page["findings"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == counted
    assert counted > 60, "too few for several pages"
    assert shell.json("explain", seen[0])["verdict"] == "same"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explain", "0000"), "no such finding"),
        (("findings", "--rule", "FW1"), "FW10000001, "),
        (("people", "password", "nobody"), "no such log-in: nobody"),
        (("dead-letters", "show", f"claims/0/{10**30}"), "no such dead letter"),
        (("dead-letters", "show", "claims"), "expected a name like claims/0/12"),
        (("dead-letters", "show", "claims/0/7"), "no such dead letter"),
        (("import", "claims", "/nowhere.jsonl"), "no such file"),
        (("knowledge", "list", "--on", "yesterday"), "expected a day like 2026-03-01"),
        (("rules", "check", "/nowhere"), "/nowhere: 不存在 / does not exist"),
        (("rules", "publish", "/nowhere", "--by", "名" * 101), "a name has 100 signs at most"),
        (
            ("dead-letters", "purge", "--import", "a", "--export", "/nowhere/b", "--by", "名" * 101),
            "a name has 100 signs at most",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(shell: Shell, words: tuple[str, ...], says: str) -> None:
    error = shell(*words, code=1, given=b"a long enough word\n")
    assert says in error
    assert "Traceback" not in error


def test_rules_and_knowledge_can_be_listed_and_checked(shell: Shell) -> None:
    checked = shell.json("rules", "check")
    assert checked["rules"] == len(shell.json("rules", "list"))
    assert checked["failed"] == []
    assert shell.json("knowledge", "list", "--code", "002503020030000", "--on", "2026-03-01")[0]["days"] == 15
    assert shell.json("knowledge", "list", "--catalogue", "periods", "--on", "2010-01-01") == []


def test_coverage_is_told_by_catalogue_and_by_the_money_that_was_billed(shell: Shell, tmp_path: Path) -> None:
    nothing_yet = shell.json("knowledge", "coverage")
    assert (nothing_yet["claims"], nothing_yet["money"]) == (0, None)
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 4000), claims, tmp_path / "truth.jsonl")
    shell("import", "claims", str(claims))
    told = shell.json("knowledge", "coverage")
    pairs = next(entry for entry in told["catalogues"] if entry["cover"]["catalogue"] == "pairs_of_a_day")
    assert (pairs["cover"]["held"], pairs["cover"]["published"], pairs["cover"]["since"]) == (446, 446, "2025-12-31")
    assert 0 < float(pairs["money"]) < float(told["money_read"]) <= float(told["money"]) < 1
    shown = shell("knowledge", "coverage")
    assert f"{float(told['money']):.2%}" in shown
    assert "无 none: 明细没有写岁数" in shown


def test_a_faulty_rule_folder_is_told_with_line_and_field(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "stays"
    folder.mkdir()
    (folder / "broken.yaml").write_text("id: X1\nname: n\nseverity: 9\n")
    error = shell("rules", "check", str(tmp_path), code=1)
    assert "broken.yaml:1: id:" in error
    assert "broken.yaml:3: severity:" in error
    assert "check: Field required" in error


def test_a_port_in_use_is_told_before_a_log_in_is_made(shell: Shell, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        shell.environment["FUNDWATCH_PORT"] = str(free_port)
        error = shell("api", code=1)
    assert "cannot serve on" in error
    assert "Traceback" not in error
    assert "log-in" not in error


def test_ctrl_c_ends_an_import_from_a_pipe_that_says_nothing(shell: Shell, postgres_url: str) -> None:
    words = [sys.executable, "-m", "deploy.commands", "import", "claims", "-"]
    reading, writing = os.pipe()
    with subprocess.Popen(words, env=shell.environment, stdin=reading, stderr=subprocess.PIPE) as importing:
        try:
            asyncio.run(_until_there(postgres_url, "imports"))
            importing.send_signal(signal.SIGINT)
            _, errors = importing.communicate(timeout=PATIENCE)
        finally:
            importing.kill()
            os.close(writing)
            os.close(reading)
    assert importing.returncode == 130
    assert "interrupted" in errors.decode()


def test_an_interrupted_import_goes_on_says_so_and_accounts_for_the_whole(
    shell: Shell, tmp_path: Path, postgres_url: str
) -> None:
    claims, many = tmp_path / "many.jsonl", 20_000
    body = GOOD + b'"sender":"t","change":"death"}\n'
    claims.write_bytes(b"".join(body.replace(b"t:1", b"t:%d" % number) for number in range(many)))
    words = [sys.executable, "-m", "deploy.commands", "import", "claims", str(claims)]
    with subprocess.Popen(words, env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as importing:
        try:
            asyncio.run(_until_there(postgres_url, "ledger"))
            importing.send_signal(signal.SIGINT)
            _, errors = importing.communicate(timeout=PATIENCE)
        finally:
            importing.kill()
    assert importing.returncode == 130, errors.decode()
    told = shell("import", "claims", str(claims))
    assert re.search("goes on where it was interrupted, [0-9,]+ messages had been sent before", told), told
    assert "sent once more" not in told
    (row,) = re.findall(r"│ many.jsonl +│ +([0-9,]+) │ +([0-9,]+) │", told)
    assert row == ("20,000", "20,000")
    assert "was not sent again" in shell("import", "claims", str(claims))


async def _until_there(dsn: str, table: str) -> None:
    """Waits until a table holds something: an import has begun, after which it reads, or has judged something."""
    connection = await connect(dsn)
    try:
        async with asyncio.timeout(PATIENCE):
            while not await connection.fetchval(f"select exists (select from {table})"):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


def test_traps_are_tried_on_every_rule_and_one_not_thought_of_ends_with_1(shell: Shell, tmp_path: Path) -> None:
    answers = shell.json("rules", "traps")
    assert {answer["rule"] for answer in answers} == {rule["id"] for rule in shell.json("rules", "list")}
    (excepted,) = [of for of in shell.json("rules", "traps", "FW10000001") if of["verdict"] == "excepted"]
    assert (excepted["trap"], excepted["came"]) == ("posted_at_discharge", "found 7 > 6")
    rules = tmp_path / "rules"
    shutil.copytree(RULES, rules)
    file = rules / "stays" / "bed_days_exceed_the_stay.yaml"
    file.write_text(re.sub(r"traps:\n(  .*\n)+", "", file.read_text("utf-8")), "utf-8")
    told = shell("rules", "traps", "FW10000001", "--folder", str(rules), code=1)
    assert "a rule has not thought of" in told
    assert "no such rule: FW1, FW10000001" in shell("rules", "traps", "FW1", code=1)


def test_rules_are_switched_and_judged_again(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 2000), claims, tmp_path / "truth.jsonl")
    before = shell.json("import", "claims", str(claims))["findings"]
    fewer = tmp_path / "rules"
    shutil.copytree(RULES, fewer)
    gone = max(before, key=lambda rule: before[rule])
    (path,) = [path for path in fewer.rglob("*.yaml") if f"id: {gone}" in path.read_text(encoding="utf-8")]
    path.unlink()
    switch = shell.json("rules", "publish", str(fewer), "--by", "𠮷" * 100)
    assert (switch["rules"], len(switch["areas"])) == ([gone], 1)
    status = shell.json("rules", "status")
    assert status["in_force"] == switch["after"] != status["own"]
    assert status["by"] == "𠮷" * 100
    done = shell.json("rejudge")
    assert done["people"] == status["people_outstanding"] > 0
    assert done["findings"] == {gone: {"withdrawn": before[gone]}}
    assert "已撤回 withdrawn" in shell("findings", "--withdrawn", "--most", "1000")
    assert "withdrawn" not in shell("findings", "--most", "1000")
    assert shell.json("rules", "status")["people_outstanding"] == 0
    assert shell.json("migrate")["migrations"]
    assert shell.json("rules", "status")["in_force"] == switch["after"]
    shell.json("rules", "publish")
    assert shell.json("rules", "status")["in_force"] == status["own"]
    assert shell.json("rejudge")["findings"] == {gone: {"raised": before[gone]}}
    assert shell.json("rejudge") == {"people": 0, "findings": {}, "finished": True}


def test_what_is_sent_while_no_worker_runs_is_told_to_wait(shell: Shell, tmp_path: Path, postgres_url: str) -> None:
    lines = b'{"kind":"claim","event_id":5}\n{"kind":"claim","event_id":6}\n'
    shell.json("import", "claims", "-", given=lines, code=1)
    first, other = [letter["name"] for letter in shell.json("dead-letters", "list")["letters"]]
    told = shell.run("dead-letters", "replay", first)
    assert (told.returncode, told.stderr.decode().count("no worker reads claims")) == (0, 1)
    words = [sys.executable, "-m", "deploy.commands", "worker"]
    with subprocess.Popen(words, env=shell.environment) as worker:
        try:
            asyncio.run(_until_read(postgres_url))
            told = shell.run("dead-letters", "replay", other)
            assert (told.returncode, b"no worker reads" in told.stderr) == (0, False)
        finally:
            worker.terminate()


async def _until_read(dsn: str) -> None:
    """Waits until a worker holds every partition of the claims."""
    connection = await connect(dsn)
    try:
        async with asyncio.timeout(PATIENCE):
            while (
                await connection.fetchval(
                    "select count(*) from group_offsets where topic = 'claims' and lease_until > now()"
                )
                < TOPICS[CLAIMS].partitions
            ):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


def test_findings_that_wait_for_a_worker_are_told_of(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 2000), claims, tmp_path / "truth.jsonl")
    found = shell.json("import", "claims", str(claims))["findings"]
    assert b"no worker reads findings" in shell.run("resend-findings").stderr
    fewer = tmp_path / "rules"
    shutil.copytree(RULES, fewer)
    (path,) = [path for path in fewer.rglob("*.yaml") if f"id: {min(found)}" in path.read_text(encoding="utf-8")]
    path.unlink()
    shell.json("rules", "publish", str(fewer))
    assert b"no worker reads findings" in shell.run("rejudge").stderr
    assert b"no worker reads" not in shell.run("rejudge").stderr, "nothing changed, so nothing waits"


def test_an_institution_of_which_nothing_is_known_is_told(shell: Shell, tmp_path: Path) -> None:
    claims = tmp_path / "claims.jsonl"
    write_county(CountyPlan(scale=1 / 2000), claims, tmp_path / "truth.jsonl")
    shell.json("import", "claims", str(claims))
    institution = shell.json("findings", "--most", "1")["findings"][0]["institution"]
    for chosen, is_known in ((institution, True), (f"{institution}x", False)):
        listed = shell.run("findings", "--institution", chosen, "--json")
        assert listed.returncode == 0
        assert (json.loads(listed.stdout)["findings"] != []) is is_known
        assert (b"no finding of this institution" not in listed.stderr) is is_known
    behind = shell.run("findings", "--institution", institution, "--after", "g")
    assert b"no finding of this institution" not in behind.stderr, "the last page was passed"


def test_a_report_that_would_be_empty_is_not_written(shell: Shell, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    assert "no identifiers were padded, so no file was written" in shell("redigest", "--report", str(report))
    assert not report.exists()


def test_accounts_are_given_listed_changed_and_closed(shell: Shell) -> None:
    given = ("people", "add", "wang.li", "--name", "王莉", "--role", "inspector", "--area", "420281")
    assert len(shell(*given).strip()) == 16
    assert "is or was an account" in shell(*given, code=1)
    assert "choose a role" in shell("people", "add", "somebody", code=1)
    assert "name them" in shell("people", "add", "office", "--role", "hospital_office", code=1)
    expected = {"login": "wang.li", "name": "王莉", "roles": ["inspector"], "areas": ["420281"], "institutions": None}
    assert json.loads(shell("people", "list", "--json")) == [expected | {"disabled_at": None}]
    shell("people", "roles", "wang.li", "--role", "head", "--all-areas", "--institution", "H42028100001")
    shell("people", "disable", "wang.li")
    (changed,) = json.loads(shell("people", "list", "--json"))
    assert changed.pop("disabled_at") is not None
    assert changed == expected | {"roles": ["head"], "areas": None, "institutions": ["H42028100001"]}
    shell("people", "enable", "wang.li")
    shell("people", "sign-out", "wang.li")
    assert json.loads(shell("people", "list", "--json"))[0]["disabled_at"] is None
    assert "hospital_office" in shell("people", "roles")
    for act in (("disable",), ("enable",), ("sign-out",), ("roles", "--role", "head")):
        assert "no such log-in" in shell("people", act[0], "nobody", *act[1:], code=1)


def test_tokens_are_given_listed_and_revoked(shell: Shell) -> None:
    given = ("tokens", "add", "hospital-7", "--institution", "H42028100001", "--until", "2099-06-30", "--by", "王莉")
    secret = shell(*given).strip()
    assert secret.startswith("fundwatch_")
    assert "is or was a token" in shell(*given, code=1)
    assert "a token may have" in shell("tokens", "add", "x", "--right", "decide", code=1)
    assert "lies in the past" in shell("tokens", "add", "x", "--until", "2020-01-01", code=1)
    assert "one word" in shell("tokens", "add", "a b", code=1)
    (token,) = json.loads(shell("tokens", "list", "--json"))
    assert token.pop("created_at") is not None
    expected = {"name": "hospital-7", "rights": ["see"], "areas": None, "institutions": ["H42028100001"]}
    ends = {"ends_at": "2099-06-30T16:00:00Z", "used_at": None, "revoked_at": None, "key_id": None}
    assert token == expected | ends | {"created_by": "王莉"}
    assert secret not in shell("tokens", "list")
    shell("tokens", "revoke", "hospital-7")
    assert json.loads(shell("tokens", "list", "--json"))[0]["revoked_at"] is not None
    assert "no such token" in shell("tokens", "revoke", "nobody", code=1)


def test_the_audit_log_is_verified_and_an_altered_entry_named(shell: Shell, postgres_url: str) -> None:
    async def alter() -> None:
        connection = await connect(postgres_url)
        try:
            await connection.execute("alter table audit_log disable trigger all")
            await connection.execute("update audit_log set by = 'another' where seq = 2")
        finally:
            await connection.close()

    assert "1 entries, the chain holds" in shell("audit", "verify")
    for login in ("one", "two"):
        shell("people", "add", login, "--role", "auditor", "--by", "王莉")
    head = json.loads(shell("audit", "verify", "--json"))["head"]
    shell("people", "disable", "two")
    assert "4 entries, the chain holds" in shell("audit", "verify", "--head", head)
    assert "not the one that was noted" in shell("audit", "verify", "--head", f"1:{head.partition(':')[2]}", code=1)
    assert "SEQ:HASH" in shell("audit", "verify", "--head", "x", code=1)
    asyncio.run(alter())
    assert "entry 2 was altered" in shell("audit", "verify", code=1)


def test_a_new_password_comes_from_a_pipe_and_the_old_one_ends(shell: Shell, postgres_url: str) -> None:
    async def passwords() -> tuple[str, str | None]:
        connection = await connect(postgres_url)
        try:
            created = await ensure_first_user(connection)
            return created[1] if created else "", await find_password_hash(connection, "inspector")
        finally:
            await connection.close()

    first, _ = asyncio.run(passwords())
    assert "at least 12" in shell("people", "password", "inspector", code=1, given=b"short\n")
    assert shell("people", "password", "inspector", given="一个足够长的新密码 2026\n".encode()) == ""
    _, stored = asyncio.run(passwords())
    assert stored is not None
    assert PasswordHasher().verify(stored, "一个足够长的新密码 2026")
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(stored, first)
