"""The bus: the version of its broker, who reads what, and how far behind."""

from collections.abc import Iterator

from deploy.commands.examination.signs import Sign, fault, ok, warning
from streams.bus import Lag

TESTED_KAFKA = (4, 1)
LATE = 10_000
"""Messages behind, from which on a group is called late."""


def examine_broker(version: tuple[int, ...]) -> Sign:
    """The version of Kafka."""
    says = f"Kafka {'.'.join(map(str, version))}"
    if version < TESTED_KAFKA:
        return warning("总线 / bus", says, "未在此版本上测试，建议升级 / not tested on it, better upgrade to 4.1")
    return ok("总线 / bus", says)


def examine_groups(lags: list[Lag]) -> Iterator[Sign]:
    """Who reads what, and how far each group is behind."""
    about = "积压 / lag"
    if not lags:
        yield warning(about, "还没有人读取 / nobody has read anything yet", "fundwatch worker, fundwatch up")
    for lag in lags:
        says = f"{lag.group} {lag.topic}/{lag.partition}: {lag.behind} 条 behind"
        start = "启动一个 worker / start a worker: fundwatch worker"
        if lag.owner is None and lag.behind:
            yield fault(about, f"{says}, 无人读取 / nobody reads it", start)
        elif lag.owner is None:
            yield warning(about, f"{says}, 无人读取 / nobody reads it", start)
        elif lag.behind > LATE:
            remedy = "再加一个 worker，见 docs/monitoring.md / add a worker, see docs/monitoring.md"
            yield warning(about, says, remedy)
        else:
            yield ok(about, says)
