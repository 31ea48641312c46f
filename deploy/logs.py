"""Logs: readable lines, or one JSON object a line, on standard error.

A log tells what happened to batches and partitions, never what stood in a message. Errors of the database, of a parser
or of a library quote what they were given, so of an error only its type is written and where in our own code it arose.

Fields of a JSON line: ``time`` (UTC), ``level``, ``logger``, ``message``, ``worker`` (host and process), ``error``
where there is one, and where they apply ``group``, ``topic``, ``partition``, ``epoch``, ``batch_size`` (messages) and
``seconds``.
"""

import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from deploy.settings import Settings

OURS = Path(__file__).resolve().parents[1]
PACKAGES = ("knowledge_base", "rules_lib", "detectors", "casework", "streams", "api", "deploy")
BATCH_FIELDS = ("group", "topic", "partition", "epoch", "batch_size", "seconds")
FIELDS = ("time", "level", "logger", "message", "worker", "error", *BATCH_FIELDS)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure_logs(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Sends every log of this process to a stream, and errors that nobody caught into the log."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonLines() if settings.logs == "json" else _Lines())
    handler.addFilter(_take_out_errors)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("fundwatch").setLevel(settings.log_level.upper())
    # It says ten times a second that the broker is away; our worker says so each time it tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.excepthook = _log_uncaught


def describe_error(error: BaseException) -> str:
    """An error's type, where in our code it arose, and likewise what it arose from: nothing of its text."""
    return " from ".join(_describe_one(one) for one in _chain(error))


def _describe_one(error: BaseException) -> str:
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = [f"{_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames if _place(frame.filename)]
    return type(error).__name__ + (f" at {' < '.join(places)}" if places else "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it arose from, the latest first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _place(filename: str) -> str:
    """A file of ours, from its package on; empty for files of others."""
    path = Path(filename)
    if not path.is_relative_to(OURS):
        return ""
    inside = path.relative_to(OURS)
    return inside.as_posix() if inside.parts[0] in PACKAGES else ""


def _take_out_errors(record: logging.LogRecord) -> bool:
    """Replaces errors among what is logged by their types, also where a library put one's text into its message."""
    if isinstance(record.args, Mapping):
        record.args = {name: _without_text(arg) for name, arg in record.args.items()}
    elif record.args:
        record.args = tuple(_without_text(arg) for arg in record.args)
    error = record.exc_info[1] if record.exc_info else None
    message = record.getMessage()
    for link in _chain(error) if error is not None else ():
        for text in sorted(_texts_of(link), key=len, reverse=True):
            message = message.replace(text, type(link).__name__)
    record.msg, record.args = message, None
    record.stack_info = record.exc_text = None
    return True


def _without_text(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _texts_of(error: BaseException) -> set[str]:
    """Every way in which an error's text may stand in a message."""
    return {str(error), repr(error), *map(str, error.args), *map(repr, error.args)} - {""}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("fundwatch").critical("ended by an error", exc_info=(kind, error, trace))


class _Lines(logging.Formatter):
    """``2026-03-01 08:00:00Z INFO fundwatch.bus: partition taken (group=judges topic=claims partition=1 epoch=3)``"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        words = [f"{name}={getattr(record, name)}" for name in BATCH_FIELDS if hasattr(record, name)]
        return super().formatMessage(record) + (f" ({' '.join(words)})" if words else "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%SZ")

    def formatException(self, ei: ExcInfo) -> str:
        return "" if ei[1] is None else f"  {describe_error(ei[1])}"


class _JsonLines(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "error"},
            static_fields={"worker": f"{socket.gethostname()}-{os.getpid()}"},
            json_ensure_ascii=False,
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The fields that are ours, in their order; what a library adds may hold anything."""
        return {name: log_data[name] for name in FIELDS if name in log_data}

    def formatException(self, ei: ExcInfo) -> str:
        return "" if ei[1] is None else describe_error(ei[1])
