"""The soak's county comes again as other patients' and with the same findings; its page says what was measured."""

from collections import Counter
from itertools import islice
from pathlib import Path

from bench.soak import again
from bench.soak_page import Sample, Soak, write_page
from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.head import Event
from streams.messages.codec import decode_event
from tests.reference.judge import reference_findings
from tests.streams.disturbed import some_people


def _findings(events: list[Event]) -> Counter[str]:
    points = load_facts().points
    return Counter(rule for people in some_people(events) for rule, _ in reference_findings(people, points))


def test_the_county_comes_again_as_other_patients() -> None:
    events = list(simulate(CountyPlan(scale=1 / 2000)))
    messages = list(islice(again(events), 2 * len(events)))
    repeated = [decode_event(message.value or b"") for message in messages]
    first, second = repeated[: len(events)], repeated[len(events) :]
    assert not {event.patient for event in first} & {event.patient for event in second}
    assert len({event.event_id for event in repeated}) == len(repeated)
    once = _findings(events)
    assert once.total() > 20
    assert _findings(first) == _findings(second) == once
    assert _findings(repeated) == once + once


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    soak = Soak(minutes=1, rate=100, kill_every=30, kills=[30.0], dropped=2, sent=6000, drained=0.5)
    soak.samples = [
        Sample(3.0 * n, 100.0 + n, None if n == 10 else 90.0, 5 if n % 2 else 0, 3, 40.0, 2, 300 * n) for n in range(21)
    ]
    page = write_page(soak, tmp_path)
    assert "6,000 messages in 1 minutes" in page
    assert "6,000 by the last sample, 100 a second in the median. Lost: 0." in page
    assert "started again 1 times" in page
    assert "| 常驻进程内存 / memory of the worker that stays, MB | 112 | 120 | +20.0 |" in page
    assert "| 日志 / log, MB | 40 | 40 | +0.0 |" in page
    assert (tmp_path / "soak.svg").read_text(encoding="utf-8").startswith("<?xml")
