"""The folder that an embedded server works in, and whether a process is the server of it.

Errors: ``EmbeddedError``, one sentence each.
"""

import os
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.embedded.postgres_programs import EmbeddedError

NEAR = 10.0
"""Seconds between the start of a process and what its own program says of it, on a busy machine. An id that went round
and came back within them, to a process in the same folder, is not looked for."""


def make_folder(folder: Path) -> Path:
    """The folder with its whole path, made where it is absent. One that is not named in UTF-8 is refused.

    Its name goes through files of settings, addresses and Java, which know no other encoding. This process too may be
    unable to spell it (``LC_ALL=C`` with ``PYTHONUTF8=0``).
    """
    folder = folder.expanduser().resolve()
    try:
        os.fsencode(folder).decode("utf-8")
        str(folder).encode("utf-8")
    except UnicodeError:
        name = os.fsencode(folder).decode("ascii", "backslashreplace")
        raise EmbeddedError(
            f"目录名或语言环境不是 UTF-8 / this folder's name or the locale is not UTF-8: {name}"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def birth(pid: int) -> float:
    """When a process began, in seconds after its machine did. Setting the clock moves both, and so does not change it.

    Raises ``psutil.NoSuchProcess``.
    """
    return psutil.Process(pid).create_time() - psutil.boot_time()


def is_server(pid: int, born: float, folder: Path) -> bool:
    """Whether a process lives, began then (see ``birth``) and works in that folder: only all three prove it ours.

    After a loss of power the id that a file names may be that of another program, or of another folder's server.
    """
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or abs(birth(pid) - born) > NEAR:
            return False
        return Path(process.cwd()).samefile(folder)
    return False
