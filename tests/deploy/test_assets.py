"""The console's scripts: present ones are left alone, wrong ones replaced, failures are one sentence."""

import io
import os
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.assets import Asset, AssetError, fetch_assets, is_present

SCRIPT = b"window.script = 1;\n"
ASSET = Asset(
    package="script.test",
    version="1.0.0",
    path="dist/script.js",
    name="script.js",
    integrity="sha384-624XiOuZBFe4j6Tibp5hkyotIjJqkzsYTT/TKw2l70amLISoRkZomcAvuRVVwDqK",
)

# Stands in for npm: packs the tarball that lies beside it, or complains.
NPM = """#!/bin/sh
for word in "$@"; do
  case "$word" in --pack-destination=*) to="${word#--pack-destination=}" ;; esac
done
[ -f "$(dirname "$0")/package.tgz" ] || { echo "npm error code ENOTFOUND" >&2; exit 1; }
cp "$(dirname "$0")/package.tgz" "$to/"
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an npm that is offline until `_publish` gives it a package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "npm"
    program.write_text(NPM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _publish(npm: Path, content: bytes, path: str = "package/dist/script.js") -> None:
    with tarfile.open(npm / "package.tgz", "w:gz") as archive:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def test_absent_script_is_fetched(npm: Path, tmp_path: Path) -> None:
    _publish(npm, SCRIPT)
    (script,) = fetch_assets(tmp_path / "vendor", [ASSET])
    assert script.read_bytes() == SCRIPT
    assert [path.name for path in script.parent.iterdir()] == ["script.js"]


def test_present_script_needs_no_network(npm: Path, tmp_path: Path) -> None:
    (tmp_path / "script.js").write_bytes(SCRIPT)
    assert fetch_assets(tmp_path, [ASSET]) == (tmp_path / "script.js",)


def test_damaged_script_is_fetched_again(npm: Path, tmp_path: Path) -> None:
    _publish(npm, SCRIPT)
    (tmp_path / "script.js").write_bytes(SCRIPT[:5])
    fetch_assets(tmp_path, [ASSET])
    assert is_present(tmp_path, ASSET)


def test_script_that_is_not_the_pinned_one_is_refused(npm: Path, tmp_path: Path) -> None:
    _publish(npm, SCRIPT + b"steal()")
    with pytest.raises(AssetError, match="not the pinned file"):
        fetch_assets(tmp_path / "vendor", [ASSET])
    assert list((tmp_path / "vendor").iterdir()) == []


def test_package_without_the_file_is_refused(npm: Path, tmp_path: Path) -> None:
    _publish(npm, SCRIPT, "package/other.js")
    with pytest.raises(AssetError, match=r"has no package/dist/script\.js"):
        fetch_assets(tmp_path / "vendor", [ASSET])


def test_no_network_is_said_in_one_sentence(npm: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="ENOTFOUND") as raised:
        fetch_assets(tmp_path / "vendor", [replace(ASSET, version="2.0.0")])
    assert "\n" not in str(raised.value)
