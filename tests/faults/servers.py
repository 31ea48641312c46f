"""Servers that a test may kill: a PostgreSQL that keeps its promises over a SIGKILL, unlike that of the other tests."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from deploy.embedded.postgres_programs import find_server_user, let_enter, run_program
from tests.patience import PATIENCE


class PostgresServer:
    """A PostgreSQL on a folder of its own, durable as in production."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: EmbeddedPostgres = start_postgres(folder)

    def dsn_of(self, database: str) -> str:
        return self._server.dsn_of(database)

    def run_sql(self, sql: str, database: str = "postgres") -> None:
        run_program(find_server_user(), "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.dsn_of(database), "-c", sql)

    def make_tablespace(self, folder: Path) -> None:
        """The tablespace ``small`` on a folder, which becomes the server's."""
        let_enter(find_server_user(), folder)
        self.run_sql(f"create tablespace small location '{folder}'")

    def kill(self) -> None:
        """SIGKILL for every process of the server, the first one first."""
        first = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=PATIENCE)
        self._server.stop()

    def stop(self) -> None:
        """Ends the server in the orderly way, under its sessions."""
        self._server.stop()

    def start(self) -> None:
        """Starts it again on the same data; it may have to recover first."""
        self._server = start_postgres(self.folder)


@contextmanager
def mount_small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system in memory of so many MB on a folder. Raises ``PermissionError`` where this may not be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mounting, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        raise PermissionError("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path) -> Path:
    """A file that takes all room that is left on the folder's file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(64 * 1024))
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    return filler
