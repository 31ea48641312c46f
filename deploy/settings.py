"""Settings: one frozen record, read from the environment as ``FUNDWATCH_<NAME>``; docs/settings.md lists each.

Errors: ``SettingsError`` with every faulty variable, one a line; a value that may be a secret is never repeated.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

PREFIX = "FUNDWATCH_"
CHECKOUT = Path(__file__).resolve().parents[1]
SHORTEST_KEY = 32  # bytes


class SettingsError(ValueError):
    """One or more environment variables cannot be used."""


def _default_home() -> Path:
    """``var`` in a checkout, otherwise the user's data folder of this platform."""
    if (CHECKOUT / "pyproject.toml").exists():
        return CHECKOUT / "var"
    return platformdirs.user_data_path("fundwatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process runs.

    ``home`` holds the embedded data; ``database_url`` is ``None`` for the embedded PostgreSQL; ``host`` and ``port``
    are where the API listens; ``vault_key`` seals the bytes of dead letters, ``None`` for the key kept in ``home``.
    """

    home: Path = field(default_factory=_default_home)
    database_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8470
    vault_key: bytes | None = field(default=None, repr=False)

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment; a variable absent or empty keeps its default. Raises ``SettingsError``."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, read in _READERS.items():
        text = environment.get(PREFIX + name.upper(), "")
        if not text:
            continue
        try:
            values[name] = read(text)
        except ValueError as error:
            faults.append(f"{PREFIX}{name.upper()}: {error}")
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(**values)


def load_vault_key(settings: Settings) -> bytes:
    """The key of the dead letters: the one that is set, otherwise the one in ``home``, made there at the first use."""
    if settings.vault_key is not None:
        return settings.vault_key
    path = settings.home / "vault.key"
    if not path.exists():
        _make_key(path)
    try:
        return _read_key(path.read_text(encoding="ascii"))
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _make_key(path: Path) -> None:
    """A new key, readable by this user alone; of several processes that come at once the first one's key holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".key-", encoding="ascii") as fresh:
        fresh.write(secrets.token_hex(SHORTEST_KEY))
        fresh.flush()
        with suppress(FileExistsError):
            path.hardlink_to(fresh.name)


def _read_home(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _read_database_url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("要以 postgresql:// 开头 / expected postgresql://...")
    return text


def _read_port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError("要是 1 到 65535 的整数 / expected a whole number from 1 to 65535")
    return int(text)


def _read_key(text: str) -> bytes:
    key = text.strip().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"至少 {SHORTEST_KEY} 个字节 / expected at least {SHORTEST_KEY} bytes")
    return key


_READERS: dict[str, Callable[[str], object]] = {
    "home": _read_home,
    "database_url": _read_database_url,
    "host": str,
    "port": _read_port,
    "vault_key": _read_key,
}
