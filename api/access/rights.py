"""What somebody at the desk may do. For now whoever is signed in may do everything; roles will say who may what."""

from enum import StrEnum


class Right(StrEnum):
    """One thing that a route lets people do. Every route names the right that it asks for, or is public."""

    ENTER = "enter"
    """Be at the desk: ask who is signed in, sign out."""

    SEE = "see"
    """Read leads, findings, decisions, and how the system is doing."""

    SEE_TRIALS = "see_trials"
    """See what rules find that are tried out, which is shown to nobody outside and in no lead."""

    DECIDE = "decide"
    """Decide on leads, and take decisions back."""

    OPEN_LETTERS = "open_letters"
    """Look at the bytes of dead letters, which may hold personal data, for a purpose that is noted."""

    REPLAY = "replay"
    """Send dead letters again."""


def rights_of(login: str) -> frozenset[Right]:
    """What somebody who is signed in may do."""
    return frozenset(Right)
