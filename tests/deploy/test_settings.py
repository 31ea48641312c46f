"""Settings from the environment: defaults, faults all at once, secrets that are never repeated."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.settings import CHECKOUT, Settings, SettingsError, load_settings, load_vault_key


def test_an_empty_environment_is_the_safe_default() -> None:
    settings = load_settings({"FUNDWATCH_PORT": ""})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8470, None)
    assert settings.home == CHECKOUT / "var"


def test_every_variable_is_read() -> None:
    settings = load_settings(
        {
            "FUNDWATCH_HOME": "/srv/fundwatch",
            "FUNDWATCH_DATABASE_URL": "postgresql://db/fundwatch",
            "FUNDWATCH_HOST": "0.0.0.0",
            "FUNDWATCH_PORT": "80",
            "FUNDWATCH_PUBLIC_URL": "https://desk.example/",
            "FUNDWATCH_TRUSTED_PROXIES": "192.0.2.7, 10.1.0.0/16",
            "FUNDWATCH_VAULT_KEY": "k" * 32,
            "FUNDWATCH_METRICS_PORT": "9470",
            "FUNDWATCH_METRICS_TOKEN": "t" * 24,
            "FUNDWATCH_LOGS": "json",
            "FUNDWATCH_LOG_LEVEL": "info",
            "FUNDWATCH_GATEWAY_PORT": "81",
            "FUNDWATCH_GATEWAY_BUDGET_MS": "300",
            "FUNDWATCH_GATEWAY_KEYS": "none",
            "FUNDWATCH_GATEWAY_RATE": "7",
            "FUNDWATCH_GATEWAY_WINDOW_SECONDS": "60",
            "FUNDWATCH_GATEWAY_SESSION_HOURS": "8",
            "FUNDWATCH_GATEWAY_RECEIPT_DAYS": "90",
            "FUNDWATCH_SIGN_IN_KEYS": f"{'0A' * 32}, {'b1' * 32}",
            "FUNDWATCH_DIALECT": "hubei",
            "FUNDWATCH_PSEUDONYM_KEY": "p" * 32,
            "FUNDWATCH_JOURNAL_FOLDER": "/data/journals",
            "FUNDWATCH_JOURNAL_MOST_MB": "200",
        }
    )
    assert settings == Settings(
        home=Path("/srv/fundwatch"),
        database_url="postgresql://db/fundwatch",
        host="0.0.0.0",
        port=80,
        public_url="https://desk.example",
        trusted_proxies=("192.0.2.7/32", "10.1.0.0/16"),
        vault_key=b"k" * 32,
        metrics_port=9470,
        metrics_token="t" * 24,
        logs="json",
        log_level="info",
        gateway_port=81,
        gateway_budget_ms=300,
        gateway_keys="none",
        gateway_rate=7,
        gateway_window_seconds=60,
        gateway_session_hours=8,
        gateway_receipt_days=90,
        sign_in_keys=(b"\n" * 32, b"\xb1" * 32),
        dialect="hubei",
        pseudonym_key=b"p" * 32,
        journal_folder=Path("/data/journals"),
        journal_most_mb=200,
    )
    assert settings.journals == Path("/data/journals")
    assert Settings(home=Path("/srv")).journals == Path("/srv/journals")


def test_every_variable_of_the_bus_is_read() -> None:
    settings = load_settings(
        {
            "FUNDWATCH_BUS": "kafka",
            "FUNDWATCH_BROKERS": "one:9092, two:9092",
            "FUNDWATCH_CLAIMS_PARTITIONS": "64",
            "FUNDWATCH_KAFKA_PREFIX": "daye.",
            "FUNDWATCH_KAFKA_SECURITY": "SASL_SSL",
            "FUNDWATCH_KAFKA_CA_FILE": "/etc/ca.pem",
            "FUNDWATCH_KAFKA_CERT_FILE": "/etc/cert.pem",
            "FUNDWATCH_KAFKA_KEY_FILE": "/etc/key.pem",
            "FUNDWATCH_KAFKA_SASL": "SCRAM-SHA-512",
            "FUNDWATCH_KAFKA_USER": "fundwatch",
            "FUNDWATCH_KAFKA_PASSWORD": "hidden-word",
            "FUNDWATCH_KAFKA_REPLICATION": "3",
            "FUNDWATCH_KAFKA_KEPT_DAYS": "0",
            "FUNDWATCH_KAFKA_COMPACTED": "one, two",
        }
    )
    assert settings == Settings(
        bus="kafka",
        brokers="one:9092,two:9092",
        claims_partitions=64,
        kafka_prefix="daye.",
        kafka_security="SASL_SSL",
        kafka_ca_file="/etc/ca.pem",
        kafka_cert_file="/etc/cert.pem",
        kafka_key_file="/etc/key.pem",
        kafka_sasl="SCRAM-SHA-512",
        kafka_user="fundwatch",
        kafka_password="hidden-word",
        kafka_replication=3,
        kafka_kept_days=0,
        kafka_compacted=frozenset({"one", "two"}),
    )
    assert "hidden-word" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOURNAL_MOST_MB", "15"),
        ("BUS", "rabbit"),
        ("BROKERS", "one"),
        ("CLAIMS_PARTITIONS", "0"),
        ("KAFKA_PREFIX", "a b"),
        ("KAFKA_SECURITY", "TLS"),
        ("KAFKA_SASL", "NONE"),
        ("KAFKA_REPLICATION", "-1"),
        ("KAFKA_KEPT_DAYS", "ever"),
    ],
)
def test_a_setting_of_the_bus_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"FUNDWATCH_{name}:"):
        load_settings({f"FUNDWATCH_{name}": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "desk.example"),
        ("PUBLIC_URL", "ftp://desk.example"),
        ("PUBLIC_URL", "https://desk.example/folder"),
        ("PUBLIC_URL", "https://desk.example:99999"),
        ("PUBLIC_URL", "https://["),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.1.2.3/8"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"FUNDWATCH_{name}:"):
        load_settings({f"FUNDWATCH_{name}": value})


def test_nobody_is_trusted_where_that_is_said() -> None:
    assert load_settings({"FUNDWATCH_TRUSTED_PROXIES": "none"}).trusted_proxies == ()


def test_every_fault_is_reported_at_once_and_no_value() -> None:
    faulty = {
        "FUNDWATCH_DATABASE_URL": "mysql://u:hidden-word@db",
        "FUNDWATCH_PORT": "65536",
        "FUNDWATCH_PUBLIC_URL": "https://hidden-word@desk.example",
        "FUNDWATCH_TRUSTED_PROXIES": "everybody",
        "FUNDWATCH_VAULT_KEY": "hidden-word",
        "FUNDWATCH_METRICS_PORT": "0",
        "FUNDWATCH_METRICS_TOKEN": "hidden-word",
        "FUNDWATCH_LOGS": "xml",
        "FUNDWATCH_LOG_LEVEL": "loud",
    }
    with pytest.raises(SettingsError) as raised:
        load_settings(faulty)
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == list(faulty)
    assert "hidden-word" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        database_url="postgresql://u:hidden-word@db", vault_key=b"hidden-word", metrics_token="hidden-word"
    )
    assert "hidden-word" not in repr(settings)


def test_a_key_that_is_set_is_used_and_none_is_made(tmp_path: Path) -> None:
    assert load_vault_key(Settings(home=tmp_path, vault_key=b"k" * 32)) == b"k" * 32
    assert list(tmp_path.iterdir()) == []


def test_of_many_first_uses_one_makes_the_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_vault_key, [settings] * 32))
    assert len(keys) == 1
    (path,) = settings.home.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(keys.pop()) >= 32


def test_a_damaged_key_is_named_by_its_file_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_text("short")
    with pytest.raises(SettingsError, match=r"vault\.key"):
        load_vault_key(Settings(home=tmp_path))
    assert (tmp_path / "vault.key").read_text() == "short"
