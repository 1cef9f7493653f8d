"""What the documentation lists is what there is."""

from __future__ import annotations

import re
import tomllib

import yaml

from gateway.settings import SETTINGS, Settings
from tests.docs.pages import ROOT


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    rows = {
        row[0]: row[1:]
        for row in re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\S+) \| (.+)\. \| (.+) \|$", text, re.MULTILINE)
    }
    assert list(rows) == [setting.name for setting in SETTINGS]
    for setting in SETTINGS:
        variable, flag, meaning, default = rows[setting.name]
        assert variable == setting.variable
        assert flag == ("none" if setting.secret else f"`{setting.flag}`")
        assert meaning == setting.meaning[0].upper() + setting.meaning[1:]
        assert default.strip("`") == setting.default_text


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["dependency-groups"]["build"]
    names = {re.split(r"[\[><=; ]", requirement)[0] for requirement in wanted}
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = {
        name.strip()
        for row in re.findall(r"^\| ([^|]+) \| [^|]{5,} \|$", text, re.MULTILINE)
        for name in row.split(",")
    }
    assert rows - {"package"} == names


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for lock, wanted in (
        ("requirements.lock", project["project"]["dependencies"] + project["dependency-groups"]["build"]),
        ("requirements-dev.lock", project["project"]["dependencies"] + project["dependency-groups"]["dev"]),
    ):
        text = (ROOT / lock).read_text()
        locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        assert {re.split(r"[\[><=; ]", requirement)[0].lower() for requirement in wanted} <= locked
        assert "://" not in text
        assert not re.search(r"^[a-z0-9-]+==[^\\]*$", text, re.MULTILINE), "a package without hashes"


def test_the_example_shows_real_settings_and_their_defaults() -> None:
    path = ROOT / "config/artifact-store.toml"
    assert tomllib.loads(path.read_text()) == {}
    shown = tomllib.loads("\n".join(re.findall(r"^# (\w+ = .*)$", path.read_text(), re.MULTILINE)))
    settings = Settings.load(environ={}, file=path)
    assert set(shown) >= {setting.name for setting in SETTINGS if not setting.secret} - {
        "root_access_key",
        "retention_classes",
        "event_loop",
    }
    for name in ("host", "s3_port", "port", "region", "log_level", "log_format", "stall_timeout", "max_bodies"):
        assert shown[name] == getattr(settings, name)


def test_the_compose_file_fits_the_server() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    gateway, database = compose["services"]["gateway"], compose["services"]["database"]
    assert set(gateway["environment"]) <= {setting.variable for setting in SETTINGS}
    made_up = {
        "POSTGRES_PASSWORD": "a-password",
        "ARTIFACT_STORE_ROOT_SECRET_KEY": "a-root-secret",
        "ARTIFACT_STORE_MASTER_KEY": "0f" * 32,
    }
    filled = {name: _filled(value, made_up) for name, value in gateway["environment"].items()}
    settings = Settings.load(environ=filled)
    user, name = database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"]
    assert settings.database_url == f"postgresql+asyncpg://{user}:a-password@database/{name}"
    assert [port.split(":")[1:] for port in gateway["ports"]] == [["9000", "9000"], ["9001", "9001"]]
    assert int(gateway["stop_grace_period"].removesuffix("s")) > settings.grace_time + 5
    mounted = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    assert mounted == set(compose["volumes"])


def test_the_image_takes_what_it_needs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE) for name in line.split()}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def _filled(value: str, environment: dict[str, str]) -> str:
    """Compose's interpolation, as far as the file uses it."""
    return re.sub(r"\$\{(\w+):(?:\?|-(\w*))\}", lambda found: environment.get(found[1]) or (found[2] or ""), value)
