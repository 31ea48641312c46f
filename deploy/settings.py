"""Settings: one frozen record, read from the environment as ``FUNDWATCH_<NAME>``; docs/settings.md lists each.

Errors: ``SettingsError`` with every faulty variable, one a line; a value that may be a secret is never repeated.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

PREFIX = "FUNDWATCH_"
CHECKOUT = Path(__file__).resolve().parents[1]
SHORTEST_KEY = 32  # bytes
SHORTEST_TOKEN = 24  # characters
SM2_BYTES = 32  # of a private key


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
    are where the API listens; ``public_url`` is the address at which browsers find it, ``None`` where that is the same;
    ``trusted_proxies`` are the addresses and networks whose ``X-Forwarded-*`` is believed; ``vault_key`` seals the
    bytes of dead letters, ``None`` for the key kept in ``home``. ``metrics_port`` is where the worker serves its
    metrics, ``None`` for nowhere; ``metrics_token`` is what a reader of metrics must know, and without one the API
    serves none; ``logs`` and ``log_level`` are how and how much is logged.
    ``gateway_port`` is where hospitals are answered, within ``gateway_budget_ms`` (ms) and in a ``dialect``, by
    who signs or shows a key (``gateway_keys`` "needed"; "signed": who signs, "none": everybody), and sends at most
    ``gateway_rate`` messages a second; the time of what is signed lies within ``gateway_window_seconds`` of ours, and a
    session lasts ``gateway_session_hours``; receipts are told for ``gateway_receipt_days``. ``sign_in_keys`` are the
    private keys to which session keys are sealed, the newest first, ``None`` for those kept in ``home``, if any;
    ``pseudonym_key`` turns identity numbers into pseudonyms, ``None`` for the key kept in ``home``. ``journal_folder``
    holds the journals of gateway processes, ``None`` for ``journals`` in ``home``; each takes ``journal_most_mb``
    (MiB) that are not sent.
    ``bus`` is "postgres" or "kafka", ``brokers`` are Kafka's, ``None`` for the embedded one. A topic that is made has
    ``claims_partitions``, on Kafka ``kafka_replication`` copies, and records that stay ``kafka_kept_days`` (0: always).
    A batch of Kafka's that cannot be read is passed over after ``kafka_damage_minutes``, unless ``kafka_on_damage`` is
    "stand".
    """

    home: Path = field(default_factory=_default_home)
    database_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8470
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    vault_key: bytes | None = field(default=None, repr=False)
    metrics_port: int | None = None
    metrics_token: str | None = field(default=None, repr=False)
    logs: str = "text"
    log_level: str = "warning"
    gateway_port: int = 8471
    gateway_budget_ms: int = 450
    gateway_keys: str = "needed"
    gateway_rate: int = 100
    gateway_window_seconds: int = 300
    gateway_session_hours: int = 12
    gateway_receipt_days: int = 730
    sign_in_keys: tuple[bytes, ...] | None = field(default=None, repr=False)
    dialect: str = "national"
    pseudonym_key: bytes | None = field(default=None, repr=False)
    journal_folder: Path | None = None
    journal_most_mb: int = 1024
    bus: str = "postgres"
    brokers: str | None = None
    claims_partitions: int = 4
    kafka_prefix: str = ""
    kafka_security: str = "PLAINTEXT"
    kafka_ca_file: str | None = None
    kafka_cert_file: str | None = None
    kafka_key_file: str | None = None
    kafka_sasl: str | None = None
    kafka_user: str | None = None
    kafka_password: str | None = field(default=None, repr=False)
    kafka_replication: int = 1
    kafka_kept_days: int = 14
    kafka_compacted: frozenset[str] = frozenset()
    kafka_on_damage: str = "pass"
    kafka_damage_minutes: int = 5

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"

    @property
    def knowledge_folder(self) -> Path:
        """Where imported knowledge lies (``deploy.knowledge``)."""
        return self.home / "knowledge"

    @property
    def journals(self) -> Path:
        """Where the journals of gateway processes lie, each in a folder of its own (``streams.journal``)."""
        return self.journal_folder or self.home / "journals"

    @property
    def sign_in_key_file(self) -> Path:
        """Where the private keys lie to which session keys are sealed, one a line, the newest first."""
        return self.home / "sign-in.key"

    @property
    def kafka_folder(self) -> Path:
        return self.home / "kafka"


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
    return settings.vault_key or _load_key(settings.home / "vault.key")


def load_pseudonym_key(settings: Settings) -> bytes:
    """The key of pseudonyms, likewise."""
    return settings.pseudonym_key or _load_key(settings.home / "pseudonym.key")


def load_sign_in_keys(settings: Settings) -> tuple[bytes, ...]:
    """The private keys to which session keys are sealed: those that are set, otherwise those in ``home``, or none."""
    if settings.sign_in_keys is not None:
        return settings.sign_in_keys
    if not settings.sign_in_key_file.exists():
        return ()
    try:
        return _read_sign_in_keys(",".join(settings.sign_in_key_file.read_text(encoding="ascii").split()))
    except ValueError as error:
        raise SettingsError(f"{settings.sign_in_key_file}: {error}") from None


def save_sign_in_keys(settings: Settings, keys: Sequence[bytes]) -> None:
    """Keeps private keys in ``home``, readable by this user alone."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=settings.home, prefix=".key-", encoding="ascii", delete=False) as fresh:
        fresh.writelines(f"{key.hex()}\n" for key in keys)
    Path(fresh.name).replace(settings.sign_in_key_file)


def _load_key(path: Path) -> bytes:
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


def _read_folder(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _read_database_url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("要以 postgresql:// 开头 / expected postgresql://...")
    return text


def _read_port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError("要是 1 到 65535 的整数 / expected a whole number from 1 to 65535")
    return int(text)


def _read_public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("要是 https://主机[:端口] / expected https://host[:port]")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            "主机和端口之后不能再有内容 / expected nothing beside host and port: the desk has a host of its own"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _read_proxies(text: str) -> tuple[str, ...]:
    """Addresses and networks; the word ``none`` for none at all."""
    if text == "none":
        return ()
    try:
        return tuple(str(ip_network(name.strip())) for name in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"要是地址或网段, 逗号分隔 / expected addresses or networks, with commas between: {error}"
        ) from None


def _read_key(text: str) -> bytes:
    key = text.strip().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"至少 {SHORTEST_KEY} 个字节 / expected at least {SHORTEST_KEY} bytes")
    return key


def _read_sign_in_keys(text: str) -> tuple[bytes, ...]:
    keys = [key.strip() for key in text.split(",")]
    if not all(len(key) == 2 * SM2_BYTES and set(key.lower()) <= set("0123456789abcdef") for key in keys):
        raise ValueError(
            f"要是 {2 * SM2_BYTES} 位十六进制数, 逗号分隔"
            f" / expected numbers of {2 * SM2_BYTES} hexadecimal digits, with commas between"
        )
    return tuple(bytes.fromhex(key) for key in keys)


def _read_token(text: str) -> str:
    if not (len(text) >= SHORTEST_TOKEN and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError(f"至少 {SHORTEST_TOKEN} 个可见字符 / expected at least {SHORTEST_TOKEN} visible characters")
    return text


def _read_one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"只能是 {', '.join(words)} 之一 / expected one of {', '.join(words)}")
        return text

    return read


def _read_brokers(text: str) -> str:
    brokers = [broker.strip() for broker in text.split(",")]
    if not all(host and port.isdecimal() for host, _, port in (broker.rpartition(":") for broker in brokers)):
        raise ValueError("要是 主机:端口, 逗号分隔 / expected host:port, with commas between")
    return ",".join(brokers)


def _read_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            raise ValueError(f"要是 {least} 到 {most} 的整数 / expected a whole number from {least} to {most}")
        return int(text)

    return read


def _read_prefix(text: str) -> str:
    if not (len(text) <= 100 and all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in text)):
        raise ValueError("只能含字母、数字和 . _ - / expected letters, digits, dots, underscores and hyphens")
    return text


def _read_dialect(text: str) -> str:
    if not (text.isascii() and text.isalpha() and text.islower()):
        raise ValueError("要是方言文件的名称 / expected the name of a dialect, such as national")
    return text


def _read_names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


_READERS: dict[str, Callable[[str], object]] = {
    "home": _read_folder,
    "database_url": _read_database_url,
    "host": str,
    "port": _read_port,
    "public_url": _read_public_url,
    "trusted_proxies": _read_proxies,
    "vault_key": _read_key,
    "metrics_port": _read_port,
    "metrics_token": _read_token,
    "logs": _read_one_of("text", "json"),
    "log_level": _read_one_of("debug", "info", "warning", "error"),
    "gateway_port": _read_port,
    "gateway_budget_ms": _read_number(50, 10_000),
    "gateway_keys": _read_one_of("needed", "signed", "none"),
    "gateway_rate": _read_number(1, 100_000),
    "gateway_window_seconds": _read_number(10, 3600),
    "gateway_session_hours": _read_number(1, 72),
    "gateway_receipt_days": _read_number(1, 36_500),
    "sign_in_keys": _read_sign_in_keys,
    "dialect": _read_dialect,
    "pseudonym_key": _read_key,
    "journal_folder": _read_folder,
    "journal_most_mb": _read_number(16, 1_000_000),
    "bus": _read_one_of("postgres", "kafka"),
    "brokers": _read_brokers,
    "claims_partitions": _read_number(1, 1000),
    "kafka_prefix": _read_prefix,
    "kafka_security": _read_one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "kafka_ca_file": str,
    "kafka_cert_file": str,
    "kafka_key_file": str,
    "kafka_sasl": _read_one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "kafka_user": str,
    "kafka_password": str,
    "kafka_replication": _read_number(1, 10),
    "kafka_kept_days": _read_number(0, 3650),
    "kafka_compacted": _read_names,
    "kafka_on_damage": _read_one_of("pass", "stand"),
    "kafka_damage_minutes": _read_number(0, 1440),
}
