"""Metrics: what this process counted, in the terms of Prometheus. What the store says is in streams/hosts/watching.py.

No label names a person, a provider or a sender: labels are groups, topics, partitions, outcomes, rules and the hash of
a rule set, so their number is bounded. docs/monitoring.md says what to watch.
"""

import math
import shutil
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from knowledge_base.findings import Change
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Lease
from streams.journal.journal import REASONS, Journal, Watch
from streams.messages.kinds import event_topics
from streams.pipeline.reports import OUTCOMES, Report

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ANSWERED_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1, 2.5, 10)
_SYNC_SECONDS = (0.0005, 0.001, 0.0025, *_SECONDS)
_SIZES = (1, 5, 10, 50, 100, 250, 500, 1000, 2000)


def _counter(name: str, says: str, *labels: str) -> Counter:
    return Counter(f"fundwatch_{name}", says, labels, registry=REGISTRY)


def _gauge(name: str, says: str, *labels: str) -> Gauge:
    return Gauge(f"fundwatch_{name}", says, labels, registry=REGISTRY)


# --- counted by this process, once a batch is committed

_MESSAGES = _counter("messages_total", "Messages by what became of them.", "topic", "outcome")
_RECEIVED = _counter("received_bytes_total", "Bytes of the messages' values as they came.", "topic")
_FINDINGS = _counter("findings_total", "Finding versions by rule or detector and change.", "rule", "change")
_NOT_EVALUATED = _counter("not_evaluated_total", "Anchors on which a rule newly could not decide.", "rule")
_FAILED = _counter("failed_checks_total", "Those of them on which the rule's check raised.", "rule")
_BATCH_SECONDS = Histogram(
    "fundwatch_batch_seconds", "Seconds a batch took, commit included.", ("topic",), buckets=_SECONDS, registry=REGISTRY
)
_BATCH_MESSAGES = Histogram(
    "fundwatch_batch_messages", "Messages in a batch.", ("topic",), buckets=_SIZES, registry=REGISTRY
)
_RETRIES = _counter("retries_total", "Batches tried again after an error that passes by itself.", "topic")
_FENCED = _counter("fenced_total", "Batches given up because another worker had taken their partition.", "topic")

_SUSPENDED = _gauge(
    "suspended_rules", "Rules in force that this program cannot load; always 1.", "rule", "file", "field"
)

# --- of hospitals' messages, where this process answers any

_ANSWERS = _counter("answers_total", "Hospitals' messages by what became of them.", "infno", "outcome")
_ANSWER_SECONDS = Histogram(
    "fundwatch_answer_seconds",
    "Seconds until a hospital was answered.",
    ("infno",),
    buckets=_ANSWERED_SECONDS,
    registry=REGISTRY,
)

# --- of this process's journal, where it has one

_SYNCS = Histogram(
    "fundwatch_journal_fsync_seconds",
    "Seconds until a group of the journal's records was on the disk.",
    buckets=_SYNC_SECONDS,
    registry=REGISTRY,
)
_JOURNAL_FAILURES = _counter("journal_failures_total", "Appends to the journal that failed, by reason.", "reason")
_JOURNAL_RECORDS = _gauge("journal_records", "Records of the journal that are not sent.")
_JOURNAL_BYTES = _gauge("journal_bytes", "Their bytes.")
_JOURNAL_MOST = _gauge("journal_most_bytes", "Bytes from which on the journal is full.")
_JOURNAL_OLDEST = _gauge("journal_oldest_seconds", "How long the oldest of them waits.")
_JOURNAL_DAMAGED = _gauge("journal_damaged_segments", "Segments of the journal in which damage was found.")

# --- read from the file system when it is asked for

_DISK_FREE = _gauge("disk_free_bytes", "Free bytes where the home folder lies.")
_DISK_SIZE = _gauge("disk_size_bytes", "Size of the file system where the home folder lies.")


def count_batch(batch: Batch, report: Report, seconds: float) -> None:
    """A batch whose transaction is committed, with the seconds it took."""
    topic = batch.lease.topic
    for outcome, count in report.outcomes.items():
        _MESSAGES.labels(topic, outcome).inc(count)
    count_report(report)
    _RECEIVED.labels(topic).inc(sum(len(record.value or b"") for record in batch.records))
    _BATCH_SECONDS.labels(topic).observe(seconds)
    _BATCH_MESSAGES.labels(topic).observe(len(batch.records))


def count_report(report: Report) -> None:
    """What judging changed: findings, and anchors on which rules newly could not decide."""
    for (rule, change), count in report.findings.items():
        _FINDINGS.labels(rule, change).inc(count)
    for rule, count in report.not_evaluated.items():
        _NOT_EVALUATED.labels(rule).inc(count)
    for rule, count in report.failed.items():
        _FAILED.labels(rule).inc(count)


def count_fenced(lease: Lease) -> None:
    """A partition that another worker took over."""
    _FENCED.labels(lease.topic).inc()


def count_retry(lease: Lease) -> None:
    """A batch that is tried again."""
    _RETRIES.labels(lease.topic).inc()


def begin_rules(rule_set: RuleSet) -> None:
    """Begins the counters of a set's rules at 0, so that their first rise can be seen; shows the suspended ones."""
    show_suspended(rule_set)
    for rule in rule_set.rules:
        _NOT_EVALUATED.labels(rule.id)
        _FAILED.labels(rule.id)
        for change in Change:
            _FINDINGS.labels(rule.id, change.value)


def begin_topic(topic: str) -> None:
    """Begins the counters of a topic that is read at 0, so that their first rise can be seen."""
    _RETRIES.labels(topic)
    _FENCED.labels(topic)
    for outcome in OUTCOMES if topic in event_topics() else ("dead",):
        _MESSAGES.labels(topic, outcome)


def show_suspended(rule_set: RuleSet) -> None:
    """Shows which rules of the set in force this program cannot load, and what is wrong where."""
    _SUSPENDED.clear()
    for rule in rule_set.suspended:
        _SUSPENDED.labels(rule.id, f"{rule.topic}/{rule.file}", rule.place).set(1)


def count_answer(infno: str, outcome: str, seconds: float) -> None:
    """A hospital's message that was answered; one that cannot be read has no number."""
    _ANSWERS.labels(infno, outcome).inc()
    _ANSWER_SECONDS.labels(infno).observe(seconds)


def journal_watch() -> Watch:
    """What counts a journal's fsyncs and failures; these begin at 0, so that their first rise can be seen."""
    for reason in REASONS:
        _JOURNAL_FAILURES.labels(reason)
    return Watch(_SYNCS.observe, lambda reason: _JOURNAL_FAILURES.labels(reason).inc())


def show_journal(journal: Journal) -> None:
    """From now on tells what waits in this process's journal whenever metrics are read."""
    _JOURNAL_MOST.set(journal.limits.most_bytes)
    _JOURNAL_RECORDS.set_function(lambda: journal.state.records)
    _JOURNAL_BYTES.set_function(lambda: journal.state.size)
    _JOURNAL_DAMAGED.set_function(lambda: journal.state.damaged)
    _JOURNAL_OLDEST.set_function(lambda: _seconds_since(journal.state.oldest_at))


def _seconds_since(instant: datetime | None) -> float:
    return 0.0 if instant is None else max(0.0, (datetime.now(UTC) - instant).total_seconds())


def show_disk(folder: Path) -> None:
    """From now on measures the file system of a folder whenever metrics are read; NaN while it cannot be."""
    _DISK_FREE.set_function(lambda: _disk(folder)[0])
    _DISK_SIZE.set_function(lambda: _disk(folder)[1])


def _disk(folder: Path) -> tuple[float, float]:
    """The bytes that are free and all there are where a folder lies. One that is gone takes no other figure along."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return math.nan, math.nan
    return usage.free, usage.total
