"""Every page of the desk, with what it shows: addresses over a county in which people have been at work."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from tests.api.browser import Console, in_store
from tests.api.colleague import Colleague, colleague
from tests.api.lists import FIRST, answered, filled
from tests.api.story import AREA, COUNTY, TOWN
from tests.api.warned import save_month


class Shown(NamedTuple):
    """A page: its name, its address with names of ``addresses_of`` in braces, what its main part says, its status."""

    name: str
    address: str
    zh: str
    en: str
    status: int = 200


PAGES = [
    Shown("queue", "/", "待处理线索", "Leads"),
    Shown("queue-all", "/?state=all&lane=all", "全部线索", "Leads"),
    Shown("queue-mine", "/?who=me&state=all&lane=all", "到 2026-05-04", "until 2026-05-04"),
    Shown("queue-narrowed", "/?least=1&newest_from=2026-01-01&sort=in_fund", "待处理线索", "Leads"),
    Shown("queue-empty", "/?topic=duplicates", "已看过", "looked at"),
    Shown("lead", "/leads/{lead}", "32 人 32 条疑点", "findings 32"),
    Shown("lead-by-patient", "/leads/{lead}?fold=patient&show=all", "按患者", "by patient"),
    Shown("lead-decided", "/leads/{lead}?show=decided", "与护理记录不符", "与护理记录不符"),
    Shown("lead-done", "{done}", "已记录", "Recorded"),
    Shown("lead-refused", "{refused}", "没有记录", "Not recorded"),
    Shown("lead-snoozed", "/leads/{snoozed}", "已推迟", "Put off"),
    Shown("lead-elsewhere", "/leads/{elsewhere}", "虚构镇卫生院", "虚构镇卫生院"),
    Shown("list", "/leads/{lead}/list", "机构（盖章）", "Institution (stamp)"),
    Shown("answers", "/leads/{lead}/answers", "同意 1 条，异议 1 条", "agreed 1, disputed 1"),
    Shown("answers-none", "/leads/{elsewhere}/answers", "还没有", "yet"),
    Shown("claim", f"/claims/{AREA}/sim%3AV51", "这张结算单有效", "This claim stands"),
    Shown("patient", f"/patients/{AREA}/demo-p-0050", "在 2 家机构就诊 2 次", "at institutions 2"),
    Shown("institution", f"/institutions/{COUNTY}", "没有可比的机构", "none to compare with"),
    Shown("search", "/search", "查找的范围和方式", "What is searched"),
    Shown("search-found", "/search?q=xg", "虚构镇卫生院", "虚构镇卫生院"),
    Shown("search-none", "/search?q=nowhere", "没有找到", "Nothing was found"),
    Shown("warnings", "/warnings", "仍继续执行", "by going on"),
    Shown(
        "warnings-empty",
        "/warnings?first=2026-01-01&last=2026-01-09",
        "最近一次询问在 ",
        "The last request came at ",
    ),
    Shown("warning", "{warning}", "凭据", "Receipt"),
    Shown("warning-late", f"/warnings/{AREA}/{AREA}-L1-1", "超时，未提示", "out of time, not shown"),
    Shown("trials", "/trials", "1 条规则试运行中", "Rules tried out: 1"),
    Shown("trial", "{trial}", "就诊时间轴", "Timeline"),
    Shown("status", "/status", "重复 3", "3 duplicate"),
    Shown("reconciliation", "/status/reconciliation", "都有去向", "has its outcome"),
    Shown("reconciliation-full", "/status/reconciliation?full=1", "处对不上", "do not add up"),
    Shown("letters", "/status/dead-letters", "条死信待处理", "Dead letters to do"),
    Shown("letter", "/status/dead-letters/claims/0/1", "lines[0].amount", "lines[0].amount"),
    Shown("replay-asked", "/status/dead-letters/replay?outcome=conflict", "要重放 1 条死信吗", "to replay: 1"),
    Shown("replay", "{replay}", "已全部发出", "sent"),
    Shown("lag", "/status/lag", "积压", "Lag"),
    Shown("silence", "/silence", "异常安静", "Unusually quiet"),
    Shown("silence-muted", "/silence?state=muted", "停业装修", "停业装修"),
    Shown("silence-refused", "{unmuted}", "没有静音", "Not muted"),
    Shown("silence-none", "/silence?state=quiet&kind=3101", "没有符合条件的报送", "No sender matches"),
    Shown("people", "/people", "账号", "Accounts"),
    Shown("person-new", "/people/new", "新账号", "New account"),
    Shown("person-own", "/people/of/inspector", "这是您自己的账号", "your own account"),
    Shown("person", "/people/of/wang.li", "王莉", "王莉"),
    Shown("account", "/account", "您已登录", "signed in"),
    Shown("today", "/account/today", "查看证据", "evidence"),
    Shown("audit", "/audit", "使一套规则生效", "rule set"),
    Shown("audit-of-lead", "/audit?lead={lead}", "导出清单", "handed out a list"),
    Shown("audit-empty", "/audit?who=nobody", "没有符合条件的记录", "No entry"),
    Shown("missing", "/leads/none", "没有这一页", "no such page", 404),
    Shown("unknown", "/?stat=open", "stat: 不认识", "stat: unknown", 422),
    Shown("sign-in", "/sign-in", "密码", "Password"),
]


def addresses_of(console: Console) -> Mapping[str, str]:
    """Has people at work at the desk, and answers what ``PAGES`` name in braces: leads and places of this county."""
    in_store(console.dsn, save_month)
    with colleague(console) as at_work:
        lead, elsewhere, snoozed = at_work.lead(), at_work.lead(institution=TOWN), at_work.lead("limits")
        new = {"login": "wang.li", "name": "王莉", "role_inspector": "1", "areas": AREA}
        at_work.client.post("/people", data={"csrf": at_work.csrf, **new})
        at_work.post(f"/leads/{elsewhere}/holder", seen="", to="inspector", until="2026-05-04")
        at_work.post(f"/leads/{lead}/comments", words="周五去现场看床位")
        at_work.post(f"/leads/{snoozed}/snooze", until="2026-04-30")
        _answer(at_work, lead)
        return {
            "lead": lead,
            "elsewhere": elsewhere,
            "snoozed": snoozed,
            "done": at_work.decide(lead, *at_work.findings(lead)[:2], reason="与护理记录不符"),
            "refused": at_work.decide(lead, said="returned.other"),
            "trial": re.findall(r"/trials/\w+", at_work.client.get("/trials").text)[0],
            "warning": f"/warnings/{AREA}/{AREA}-W0-1",
            "unmuted": at_work.post("/silence/mute", area="*", institution=COUNTY, kind="claim", until="2020-01-01"),
            "replay": at_work.post("/status/dead-letters/replays?outcome=dead"),
        }


def _answer(at_work: Colleague, lead: str) -> None:
    """The institution answers two lines, and one in words that are none."""
    content = at_work.client.get(f"/leads/{lead}/list.xlsx").content
    cells = {FIRST: answered("同意"), FIRST + 1: answered("异议", "已核对病历"), FIRST + 2: answered("好的")}
    files = {"file": ("list.xlsx", filled(content, cells))}
    assert at_work.client.post(f"/leads/{lead}/answers", data={"csrf": at_work.csrf}, files=files).status_code == 303
