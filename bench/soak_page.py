"""What a soak measured, and its page: docs/soak.md with the figures, docs/soak.svg with the plot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression, median

from matplotlib.figure import Figure

from bench.results import machine


@dataclass(frozen=True)
class Sample:
    """One look: seconds since the start, memory in MB of the steady worker and of the one that is killed."""

    at: float
    steady_mb: float
    killed_mb: float | None
    lag: int
    outbox: int
    log_mb: float
    segments: int
    accepted: int


@dataclass
class Soak:
    """What a run came to; ``rate`` is in claims a second, times are in seconds since its start."""

    minutes: float
    rate: int
    kill_every: float
    samples: list[Sample] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    dropped: int = 0
    sent: int = 0
    late: float = 0.0  # seconds by which sending fell behind its own plan at most
    drained: float = 0.0  # seconds from the end of sending until all was judged
    lost: int = 0

    @property
    def settled(self) -> list[Sample]:
        """The samples after the first quarter, when caches are warm and the first segments of the log are dropped."""
        return self.samples[len(self.samples) // 4 :]

    def accepted_a_second(self) -> list[float]:
        """Claims accepted a second between one sample and the next."""
        pairs = pairwise(self.samples)
        return [(after.accepted - before.accepted) / (after.at - before.at) for before, after in pairs]


def write_page(soak: Soak, folder: Path) -> str:
    """Writes the page and the plot into a folder, and gives the page's text."""
    page = _page(soak)
    (folder / "soak.md").write_text(page, encoding="utf-8")
    _plot(soak).savefig(folder / "soak.svg", metadata={"Date": None})
    return page


def _page(soak: Soak) -> str:
    last, speeds = soak.samples[-1], soak.accepted_a_second()
    rows = [
        _row("常驻进程内存 / memory of the worker that stays, MB", soak, lambda sample: sample.steady_mb),
        _row("被杀进程内存 / memory of the worker that is killed, MB", soak, lambda sample: sample.killed_mb),
        _row("积压 / lag, messages", soak, lambda sample: sample.lag),
        _row("待发箱 / outbox, rows", soak, lambda sample: sample.outbox),
        _row("日志 / log, MB", soak, lambda sample: sample.log_mb),
        _row("日志分段 / segments of the log", soak, lambda sample: sample.segments),
    ]
    return f"""# Soak

`python -m bench.soak --minutes {soak.minutes:g} --rate {soak.rate} --kill-every {soak.kill_every:g}` on \
{datetime.now(UTC):%Y-%m-%d}: {machine()}, with the database and the sender on the same machine.

{soak.sent:,} messages in {soak.minutes:g} minutes to the PostgreSQL bus, two workers; one of them killed (SIGKILL) and
started again {len(soak.kills)} times. The simulated county comes again and again, each time with other patients.
Accepted in all: {last.accepted:,} by the last sample, {median(speeds):,.0f} a second in the median. Lost: {soak.lost}.
All was judged {soak.drained:.1f} s after the last was sent; sending fell behind its plan by {soak.late:.1f} s at most.
{soak.dropped} segments of the log were dropped on the way (one is opened every 15 s and kept for 30 s, where a day and
a week are usual), so a log that stays flat was emptied as fast as it was filled.

| | 中位 / median | 最大 / most | 每分钟变化 / change a minute |
|---|--:|--:|--:|
{chr(10).join(rows)}

The first quarter is left out of the table; the change is the slope of a straight line through the rest.

![memory, lag, outbox, log and claims a second over time](soak.svg)
"""


def _row(name: str, soak: Soak, measure: Callable[[Sample], float | None]) -> str:
    points = [(sample.at / 60, value) for sample in soak.settled if (value := measure(sample)) is not None]
    slope = linear_regression(*zip(*points, strict=True)).slope
    values = [value for _, value in points]
    return f"| {name} | {median(values):,.0f} | {max(values):,.0f} | {slope:+,.1f} |"


def _plot(soak: Soak) -> Figure:
    """One strip a measure over the same minutes; a line marks each kill."""
    minutes = [sample.at / 60 for sample in soak.samples]
    strips: list[tuple[str, Sequence[float], dict[str, Sequence[float | None]]]] = [
        (
            "memory, MB",
            minutes,
            {
                "the worker that stays": [sample.steady_mb for sample in soak.samples],
                "the worker that is killed": [sample.killed_mb for sample in soak.samples],
            },
        ),
        ("lag, messages", minutes, {"": [sample.lag for sample in soak.samples]}),
        ("outbox, rows", minutes, {"": [sample.outbox for sample in soak.samples]}),
        ("log, MB", minutes, {"": [sample.log_mb for sample in soak.samples]}),
        ("accepted a second", minutes[1:], {"": soak.accepted_a_second()}),
    ]
    figure = Figure(figsize=(9, 10), layout="constrained")
    for axes, (title, times, lines) in zip(figure.subplots(len(strips), sharex=True), strips, strict=True):
        for name, values in lines.items():
            axes.plot(times, [float("nan") if value is None else value for value in values], linewidth=1, label=name)
        for kill in soak.kills:
            axes.axvline(kill / 60, color="0.7", linewidth=0.8, linestyle=":")
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_ylim(bottom=0)
        if any(lines):
            axes.legend(fontsize=8, frameon=False)
    axes.set_xlabel("minutes; dotted: a worker killed and started again")
    return figure
