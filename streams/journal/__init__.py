"""The journal: messages on a process's own disk before anybody is answered, until the bus has them.

A folder of one process holds segments of records and a mark up to where they are sent. What was confirmed survives the
death of the process and of the machine; a mark that is lost only means that messages are sent again.

    JournalError
    ├── JournalHeld       the folder is another process's at this moment
    ├── JournalFull       nothing more fits: the limit or the disk; passes once records are sent or there is room
    └── JournalFailed     the disk failed, or the journal is closed; what was appended is not confirmed

Imports bus. Open first: journal.py, then records.py.
"""


class JournalError(OSError):
    """Something is wrong with a journal; the text names its folder and never what it holds.

    ``reason`` is one of few words, for metrics.
    """

    def __init__(self, says: str, reason: str):
        super().__init__(says)
        self.reason = reason


class JournalHeld(JournalError):
    """A living process has the folder."""


class JournalFull(JournalError):
    """No room is left; nothing of what was appended is kept."""


class JournalFailed(JournalError):
    """The disk failed while something was appended; nothing of it is kept where the disk still obeys."""
