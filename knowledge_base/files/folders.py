"""Folders that people fill: every entry is read, passed over by one stated list, or an error that names it.

Links are followed, so a folder may be a Kubernetes mount: ``x.yaml`` or a whole folder is then a link into ``..data``,
itself a link to the hidden folder that holds the files.
"""

import errno
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from knowledge_base.files.yaml_files import Fault, FileFaults, unreadable

IGNORED = (".*", "*~", "#*#", "*.swp", "*.swo", "Thumbs.db", "desktop.ini", "__MACOSX", "lost+found")
"""What editors, desktops and mounts leave behind, whatever is hidden (``..data``, ``.ipynb_checkpoints``) included.

Patterns of names, of folders too, in small or capital letters.
"""

YAML = (".yaml", ".yml")
"""The endings of YAML files, in small or capital letters."""

_KINDS = (
    (stat.S_ISFIFO, "命名管道 / a named pipe"),
    (stat.S_ISSOCK, "套接字 / a socket"),
    (stat.S_ISCHR, "设备 / a device"),
    (stat.S_ISBLK, "设备 / a device"),
)


def is_ignored(name: str, beside: Sequence[str] = ()) -> bool:
    """Whether a file or folder of that name is passed over: by ``IGNORED``, or by the patterns ``beside``."""
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in (*IGNORED, *beside))


class Contents(NamedTuple):
    """The files of a folder that are to be read, by path, and what cannot be: one error an entry."""

    files: list[Path]
    errors: list[FileFaults]

    def sound(self) -> list[Path]:
        """The files. Raises ``FileFaults`` with everything that is wrong in the folder."""
        if self.errors:
            raise FileFaults.joined(self.errors)
        return self.files


def look_into(folder: Path, endings: Sequence[str] = (), *, deep: bool = False, beside: Sequence[str] = ()) -> Contents:
    """What a folder holds. Each entry whose name is not of ``IGNORED`` or ``beside`` is a file to read or an error.

    ``endings`` are those that files may have (in small letters; none given: any), ``deep`` also looks into folders.
    """
    walk = _Walk(tuple(endings), deep, beside, Contents([], []))
    walk.enter(folder, ())
    walk.found.files.sort()
    return walk.found


class _Walk(NamedTuple):
    endings: tuple[str, ...]
    deep: bool
    beside: Sequence[str]
    found: Contents

    def enter(self, folder: Path, above: tuple[Path, ...]) -> None:
        try:
            real = folder.resolve(strict=True)
            entries = sorted(folder.iterdir())
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            self._refuse(folder, _why(folder, error))
            return
        if any(folder.is_relative_to(real) for folder in above):
            self._refuse(folder, "链接绕回上层目录 / a link back to a folder above it")
            return
        for path in entries:
            if not is_ignored(path.name, self.beside):
                self._take(path, (*above, real))

    def _take(self, path: Path, above: tuple[Path, ...]) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self._refuse(path, _why(path, error))
            return
        expected = not self.endings or path.suffix.casefold() in self.endings
        if stat.S_ISDIR(mode):
            if not self.deep:
                self._refuse(path, "这是目录，这里只放文件 / a folder, where only files are read")
            elif self.endings and expected:
                self._refuse(path, f"这是目录，名称却以 {path.suffix} 结尾 / a folder that is named like a file")
            else:
                self.enter(path, above)
        elif not stat.S_ISREG(mode):
            kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "特殊文件 / a special file")
            zh, _, en = kind.partition(" / ")
            self._refuse(path, f"这是{zh}，不是文件 / {en}, no file")
        elif expected:
            self.found.files.append(path)
        else:
            read, passed = " ".join(self.endings), " ".join(IGNORED)
            self._refuse(path, f"既不读取也不跳过 / neither read ({read}) nor passed over ({passed})")

    def _refuse(self, path: Path, why: str) -> None:
        self.found.errors.append(FileFaults(path, [Fault(path, 0, "", why)]))


def _why(path: Path, error: OSError | RuntimeError) -> str:
    if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
        return "链接绕成一圈 / a link that leads back to itself"
    if isinstance(error, FileNotFoundError):
        return "链接指向的文件不存在 / a link to nothing" if path.is_symlink() else "不存在 / does not exist"
    if isinstance(error, NotADirectoryError):
        return "不是目录 / no folder"
    return unreadable(error)
