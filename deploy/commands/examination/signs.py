"""Signs of health: each has its state and, where something is amiss, what to do."""

from enum import StrEnum

import msgspec


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Sign(msgspec.Struct, frozen=True):
    """One thing that was examined. ``remedy`` is empty where nothing is to be done; texts are Chinese / English."""

    about: str
    state: State
    says: str
    remedy: str = ""


def ok(about: str, says: str) -> Sign:
    return Sign(about, State.OK, says)


def warning(about: str, says: str, remedy: str) -> Sign:
    return Sign(about, State.WARNING, says, remedy)


def fault(about: str, says: str, remedy: str) -> Sign:
    return Sign(about, State.FAULT, says, remedy)
