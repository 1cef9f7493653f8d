"""Where values come from, which one wins, and what is refused."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import SETTINGS, Settings, SettingsError, masked_url


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a configuration file."""
    monkeypatch.chdir(tmp_path)


def load(*, file: str | None = None, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
    path = None
    if file is not None:
        path = Path("settings.toml")
        path.write_text(file)
    environ = {f"ARTIFACT_STORE_{name.upper()}": value for name, value in environ.items()}
    return Settings.load(file=path, flags=flags, environ=environ)


def refusal(**sources: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**sources)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults(tmp_path: Path) -> None:
    settings = load()
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/registry.db"
    assert settings.store_url == f"file://{tmp_path}/data/blobs"
    assert (settings.host, settings.s3_port, settings.port) == ("127.0.0.1", 9000, 9001)
    assert (settings.region, settings.s3_domain, settings.log_level) == ("us-east-1", (), "info")
    assert settings.workers >= 1
    assert not settings.tls
    assert set(settings.origins.values()) == {"default"}


def test_the_data_directory_moves_what_lives_in_it() -> None:
    settings = load(data_dir="/srv/artifact store")
    assert settings.database_url == "sqlite+aiosqlite:////srv/artifact%20store/registry.db"
    assert settings.store_url == "file:///srv/artifact%20store/blobs"
    assert settings.origins["data_dir"] == "environment ARTIFACT_STORE_DATA_DIR"
    assert settings.origins["database_url"] == "default"


def test_strength_rises_from_environment_to_file_to_flag() -> None:
    weakest = load(region="from-environment")
    assert (weakest.region, weakest.origins["region"]) == ("from-environment", "environment ARTIFACT_STORE_REGION")

    stronger = load(region="from-environment", file='region = "from-file"')
    assert (stronger.region, stronger.origins["region"]) == ("from-file", "file settings.toml")

    strongest = load(region="from-environment", file='region = "from-file"', flags={"region": "from-flag"})
    assert (strongest.region, strongest.origins["region"]) == ("from-flag", "flag --region")


def test_the_file_is_named_by_flag_then_environment_then_found_in_config(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/artifact-store.toml").write_text('region = "found"')
    (tmp_path / "named.toml").write_text('region = "named"')
    environ = {"ARTIFACT_STORE_CONFIG": str(tmp_path / "named.toml")}

    assert Settings.load(environ={}).region == "found"
    assert Settings.load(environ=environ).region == "named"
    assert Settings.load(environ=environ, file=tmp_path / "config/artifact-store.toml").region == "found"


def test_an_empty_variable_is_not_set() -> None:
    assert load(s3_domain="", workers=" ").s3_domain == ()


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("s3_domain", "S3.example.org, other.test", ("s3.example.org", "other.test")),
        ("workers", "3", 3),
        ("grace_time", "2.5", 2.5),
        ("log_level", "DEBUG", "debug"),
        ("master_key", "0f" * 32, bytes([15] * 32)),
        ("master_key", base64.b64encode(bytes(range(32))).decode(), bytes(range(32))),
        ("database_url", "postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("store_url", "s3://bucket/prefix?endpoint=http://h:1", "s3://bucket/prefix?endpoint=http://h:1"),
    ],
)
def test_values_are_typed(name: str, given: str, value: object) -> None:
    assert getattr(load(**{name: given}), name) == value


def test_a_file_may_use_toml_types() -> None:
    settings = load(file='s3_domain = ["a.test", "b.test"]\nport = 9101\ngrace_time = 5')
    assert (settings.s3_domain, settings.port, settings.grace_time) == (("a.test", "b.test"), 9101, 5.0)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("port", "http"),
        ("port", "70000"),
        ("s3_port", "-1"),
        ("workers", "0"),
        ("grace_time", "soon"),
        ("grace_time", "nan"),
        ("log_level", "loud"),
        ("region", "US EAST"),
        ("s3_domain", "s3.example.org:9000"),
        ("root_access_key", "a/b"),
        ("root_secret_key", "short"),
        ("master_key", "0f" * 31),
        ("master_key", "not base64!"),
        ("database_url", "mysql://h/d"),
        ("database_url", "registry.db"),
        ("store_url", "/srv/blobs"),
        ("store_url", "s3://[bucket"),
        ("event_loop", "trio"),
    ],
)
def test_a_malformed_value_names_setting_source_and_fix(name: str, given: str) -> None:
    message = refusal(**{name: given})
    assert message.startswith(f"{name} (environment ARTIFACT_STORE_{name.upper()}): ")
    assert "; give " in message


def test_a_wrong_type_in_a_file_is_malformed() -> None:
    assert refusal(file="port = true").startswith("port (file settings.toml): True is not acceptable; give ")
    assert refusal(file="region = 1").startswith("region (file settings.toml): 1 is not acceptable; give ")


def test_a_malformed_secret_is_not_shown() -> None:
    assert "hunter2" not in refusal(root_secret_key="hunter2")
    assert "hunter2" not in refusal(database_url="mysql://user:hunter2@host/database")


def test_an_unknown_setting_is_refused_and_the_nearest_named() -> None:
    assert refusal(s3_prot="1") == (
        "ARTIFACT_STORE_S3_PROT (environment): no such setting; did you mean ARTIFACT_STORE_S3_PORT?"
    )
    assert refusal(file="data_directory = '/srv'") == (
        "data_directory (file settings.toml): no such setting; did you mean data_dir?"
    )
    assert refusal(xyzzy="1").endswith("`artifact-store config` lists all there are.")


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"config \(flag --config\): absent.toml cannot be read: No such file"):
        Settings.load(file=Path("absent.toml"), environ={})
    assert refusal(file="port = = 1").startswith("config (flag --config): settings.toml is not TOML: ")


def test_what_belongs_together_is_set_together(tmp_path: Path) -> None:
    assert "root_secret_key is missing" in refusal(root_access_key="root")
    assert "root_access_key is missing" in refusal(root_secret_key="long-enough")
    assert "tls_key is missing" in refusal(tls_cert=str(tmp_path / "cert.pem"))
    (tmp_path / "cert.pem").touch()
    cert, absent = str(tmp_path / "cert.pem"), str(tmp_path / "absent.pem")
    assert f"{absent} cannot be read" in refusal(tls_cert=cert, tls_key=absent)


def test_one_port_cannot_serve_both() -> None:
    assert "9001 is the port of S3 as well" in refusal(s3_port="9001")
    assert load(s3_port="0", port="0").port == 0


def test_secrets_are_masked() -> None:
    settings = load(
        root_access_key="root",
        root_secret_key="very-secret",
        master_key="0f" * 32,
        database_url="postgresql+asyncpg://user:very-secret@host/database",
    )
    shown = {setting.name: settings.shown(setting) for setting in SETTINGS}
    assert shown["root_access_key"] == "root"
    assert shown["root_secret_key"] == shown["master_key"] == "********"
    assert shown["database_url"] == "postgresql+asyncpg://user:********@host/database"
    assert not re.search("very-secret|0f0f", " ".join(shown.values()))
    assert not re.search("very-secret|0f0f", repr(settings))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://b/p?endpoint=http://h&secret_key=x&region=r", "s3://b/p?endpoint=http://h&secret_key=********&region=r"),
        ("postgresql+asyncpg://u:p%40ss@h/d?sslmode=require", "postgresql+asyncpg://u:********@h/d?sslmode=require"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("s3://b/p?endpoint=http://user:pass@h", "s3://b/p?endpoint=http://user:********@h"),
    ],
)
def test_urls_are_shown_without_their_secrets(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_the_shipped_retention_classes() -> None:
    classes = load().read_retention_classes()
    assert [(found.name, found.duration) for found in classes][:2] == [
        ("transient", 7 * 86_400),
        ("raw-evidence", 30 * 86_400),
    ]
    assert classes[-1].duration is None
    assert [found.rank for found in classes] == list(range(5))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class = [{name = 'a'}]", "a class of {path} has no term; give each name and term."),
        ("class = [{name = 'A b', term = 'P1D'}]", "is malformed: name it with lower-case"),
        ("class = [{name = 'a', term = 'soon'}]", "is malformed: 'soon' is not a duration"),
        ("class = 1", "is malformed: "),
        ("[class", "{path} is not TOML: "),
    ],
)
def test_malformed_retention_classes_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(retention_classes=str(path)).read_retention_classes()
    assert str(caught.value).startswith("retention_classes (environment ARTIFACT_STORE_RETENTION_CLASSES): ")
    assert reason.format(path=path) in str(caught.value)
