"""Metrics: what workers count while they run, in the terms of Prometheus. No label names a person or a provider."""

from prometheus_client import Counter

from streams.bus import Batch, Lease
from streams.reports import Report

_BATCHES = Counter("fundwatch_batches_total", "Batches written.", ["topic"])
_FENCED = Counter("fundwatch_fenced_total", "Partitions that turned out to be another worker's.", ["topic"])
_RETRIES = Counter("fundwatch_retries_total", "Batches tried again after an error that passes by itself.", ["topic"])


def count_batch(batch: Batch, report: Report, seconds: float) -> None:
    """A batch whose transaction is committed, with the seconds it took."""
    _BATCHES.labels(batch.lease.topic).inc()


def count_fenced(lease: Lease) -> None:
    """A partition that another worker took over."""
    _FENCED.labels(lease.topic).inc()


def count_retry(lease: Lease) -> None:
    """A batch that is tried again."""
    _RETRIES.labels(lease.topic).inc()
