"""The folder that an embedded server works in. Errors: ``EmbeddedError``, one sentence each."""

import os
from pathlib import Path

from deploy.embedded.postgres_programs import EmbeddedError


def make_folder(folder: Path) -> Path:
    """The folder with its whole path, made where it is absent. One that is not named in UTF-8 is refused.

    Its name goes through files of settings and Java, which know no other encoding.
    """
    folder = folder.expanduser().resolve()
    try:
        os.fsencode(folder).decode("utf-8")
    except UnicodeDecodeError:
        name = os.fsencode(folder).decode("utf-8", "backslashreplace")
        raise EmbeddedError(f"目录名须为 UTF-8 / the name of this folder is not UTF-8: {name}") from None
    folder.mkdir(parents=True, exist_ok=True)
    return folder
