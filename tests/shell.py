"""The command line in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE


class Shell:
    """Runs ``fundwatch`` with the settings of one test."""

    def __init__(self, home: Path, database_url: str):
        self.environment = {**os.environ, "FUNDWATCH_HOME": str(home), "FUNDWATCH_DATABASE_URL": database_url}

    def run(
        self, *words: str | bytes, given: bytes = b"", terminal: int | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """One command, to its end, however it ends; ``terminal`` is the one that it reads from, where it has one."""
        reading: dict[str, Any] = {"input": given} if terminal is None else {"stdin": terminal}
        return subprocess.run(
            [sys.executable, "-m", "deploy.commands", *words],
            env=self.environment,
            **reading,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def __call__(self, *words: str, code: int = 0, given: bytes = b"") -> str:
        """What a command printed, where it failed as expected what it said of that."""
        done = self.run(*words, given=given)
        assert done.returncode == code, done.stderr.decode()
        return (done.stdout if code == 0 else done.stderr).decode()

    def json(self, *words: str | bytes, code: int = 0, given: bytes = b"") -> Any:
        """The document that a command printed."""
        done = self.run(*words, "--json", given=given)
        assert done.returncode == code, done.stderr.decode()
        return json.loads(done.stdout)
