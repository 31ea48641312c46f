"""What may lie in a folder beside the files that are meant: made here, by name, with what is said of it."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from knowledge_base.catalogues.files import CATALOGUES
from rules_lib.rule_files import RULES, TOPIC_FILE

RULE = RULES / "limits" / "over_official_daily_cap.yaml"
TOPIC = RULES / "limits" / TOPIC_FILE
CATALOGUE = CATALOGUES / "dialysis_items.yaml"

LEFT_OVER: Mapping[str, tuple[str, ...]] = {
    ".*": (".x.yaml", "._x.yaml", ".x.yaml.swp", ".DS_Store", ".yaml", "..data", ".ipynb_checkpoints", ".git"),
    "*~": ("x.yaml~", "x~", "notes.txt~"),
    "#*#": ("#x.yaml#",),
    "*.swp": ("x.yaml.swp", "X.SWP"),
    "*.swo": ("x.swo",),
    "thumbs.db": ("Thumbs.db", "thumbs.db", "THUMBS.DB"),
    "desktop.ini": ("desktop.ini", "Desktop.ini"),
    "__macosx": ("__MACOSX",),
    "lost+found": ("lost+found",),
}
"""By pattern: names that programs leave behind."""


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.yaml").write_bytes(RULE.read_bytes())


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        beside = os.open(path.parent, os.O_PATH)  # the address of a socket is short
        try:
            listener.bind(f"/proc/self/fd/{beside}/{path.name}")
        finally:
            os.close(beside)


def _loop(path: Path) -> None:
    other = path.with_name(f".of {path.name}")
    path.symlink_to(other)
    other.symlink_to(path)


ODD: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "a folder": ("a folder that is named like a file|a folder, where only files are read", _folder),
    "a link to a folder": ("a folder", lambda path: path.symlink_to(RULES / "limits")),
    "a link to nothing": ("a link to nothing", lambda path: path.symlink_to("somebody@machine.1234:1")),
    "a link to itself": ("a link that leads back to itself", lambda path: path.symlink_to(path)),
    "a loop of links": ("a link that leads back to itself", _loop),
    "a pipe": ("a named pipe, no file", os.mkfifo),
    "a socket": ("a socket, no file", _socket),
    "a device": ("a device, no file", lambda path: path.symlink_to("/dev/null")),
    "a file that cannot be read": (
        "cannot be read: Input/output error",
        lambda path: path.symlink_to("/proc/self/mem"),
    ),
    "nothing in it": ("expected a mapping", Path.touch),
    "blanks": ("expected a mapping", lambda path: path.write_bytes(b" \n\n") and None),
    "a list": ("expected a mapping", lambda path: path.write_bytes(b"- a\n- b\n") and None),
    "prose": ("expected a mapping", lambda path: path.write_text("规则目录", encoding="utf-8") and None),
    "GBK": ("not UTF-8", lambda path: path.write_bytes("title: 规则\n".encode("gbk")) and None),
    "UTF-16": ("not UTF-8", lambda path: path.write_bytes("title: 规则\n".encode("utf-16")) and None),
    "zeros": ("not YAML", lambda path: path.write_bytes(bytes(40)) and None),
    "an archive": ("not UTF-8", lambda path: path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0") and None),
    "several documents": ("not YAML", lambda path: path.write_bytes(b"a: 1\n---\nb: 2\n") and None),
    "a key twice": ("twice", lambda path: path.write_bytes(b"id: 1\nid: 2\n") and None),
}
"""By name: what is said of it, and what makes it under a name that ends like a rule file."""

STRAY = ("README.txt", "README.md", "README", "x.yaml.bak", "x.yaml.orig", "x (1).yaml ", "x.json", "yaml", "x.yamlx")
"""Names of files that are neither read nor left behind by any program on the list."""


def mount(folder: Path, files: Mapping[str, bytes], stamp: str = "..2026_03_10_09_00_00.1234567890") -> None:
    """Writes files as Kubernetes mounts them, in place of those before: into a hidden folder, ``..data`` leads to it.

    A name may hold a folder (``items`` of a ConfigMap give a key a path); then that folder is the link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / stamp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    new = folder / "..data_tmp"
    new.symlink_to(stamp)
    new.replace(folder / "..data")
    for first in {name.split("/")[0] for name in files}:
        if not (folder / first).is_symlink():
            (folder / first).symlink_to(f"..data/{first}")
