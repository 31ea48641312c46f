"""Ctrl-C while the program is being loaded, which takes a second: it ends at once and without a word, with 130.

Imported before everything else. Once all is loaded Ctrl-C is caught as ever, by a command's own ending or by ``main``.
"""

import os
import signal

INTERRUPTED = 128 + signal.SIGINT
"""What a command ends with, as shells have it."""


def _leave(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)


def end() -> None:
    """All is loaded: from now on Ctrl-C is an error that may be caught."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored, as in the background of a shell
    signal.signal(signal.SIGINT, _leave)
