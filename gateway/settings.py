"""Typed settings. The only reader of configuration files and of the environment.

A value comes from the environment, from a TOML file or from a flag, in that rising order of strength, and remembers
from where. What is unknown or malformed stops the start with one line that names the setting, its source and the fix.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import difflib
import os
import re
import sysconfig
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from registry.durations import parse_duration
from registry.model import RetentionClass

PREFIX = "ARTIFACT_STORE_"
CONFIG_VARIABLE = "ARTIFACT_STORE_CONFIG"
CLIENT_VARIABLES = ("ARTIFACT_STORE_URL", "ARTIFACT_STORE_S3_URL")
"""Where the commands that talk to a server find it. They are no settings of a server."""
DEFAULT_FILE = Path("config/artifact-store.toml")
"""Read when it is there and no other file is named; relative to the working directory."""

MASK = "********"


class SettingsError(Exception):
    """A setting is unknown, malformed or contradicts another. The message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a setting beside its value. `default` may look at the settings declared before it."""

    name: str
    parse: Callable[[Any], Any]
    default: Callable[[Mapping[str, Any]], Any]
    default_text: str
    meaning: str
    secret: bool

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _setting(
    parse: Callable[[Any], Any],
    meaning: str,
    *,
    default: object = None,
    default_text: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare a field of `Settings`. A callable default is given the values of the settings before it."""

    def constant(_values: Mapping[str, Any]) -> object:
        return default

    return field(
        metadata={
            "parse": parse,
            "meaning": meaning,
            "default": default if callable(default) else constant,
            "default_text": default_text or ("none" if default is None else str(default)),
            "secret": secret,
        }
    )


class _MalformedError(Exception):
    """A value has the wrong form. The message is what to give instead."""


# --- parsers: a str from the environment or a flag, or a TOML value from a file -> the value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _MalformedError("give a text")
    return value.strip()


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser().absolute()


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        fix = f"give a whole number from {low} to {high}"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _MalformedError(fix)
        try:
            number = int(value)
        except ValueError:
            raise _MalformedError(fix) from None
        if not low <= number <= high:
            raise _MalformedError(fix)
        return number

    return parse


def _seconds(value: Any) -> float:
    fix = "give a number of seconds from 0 to 86400"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _MalformedError(fix)
    try:
        number = float(value)
    except ValueError:
        raise _MalformedError(fix) from None
    if not 0 <= number <= 86_400:
        raise _MalformedError(fix)
    return number


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.strip().lower() not in choices:
            raise _MalformedError("give one of " + ", ".join(choices))
        return value.strip().lower()

    return parse


def _matching(pattern: str, fix: str) -> Callable[[Any], str]:
    expression = re.compile(pattern, re.ASCII)

    def parse(value: Any) -> str:
        if not isinstance(value, str) or not expression.fullmatch(value.strip()):
            raise _MalformedError(fix)
        return value.strip()

    return parse


_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)


def _domains(value: Any) -> tuple[str, ...]:
    fix = "give domain names without port, separated by commas, as in s3.example.org"
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _MalformedError(fix)
    domains = tuple(name.strip().lower().rstrip(".") for name in names if name.strip())
    if not all(_DOMAIN.fullmatch(domain) for domain in domains):
        raise _MalformedError(fix)
    return domains


def _url(*forms: str) -> Callable[[Any], str]:
    schemes = tuple(form.partition("://")[0] for form in forms)

    def parse(value: Any) -> str:
        fix = "give a URL of the form " + " or ".join(forms)
        if not isinstance(value, str):
            raise _MalformedError(fix)
        url = value.strip()
        scheme, separator, rest = url.partition("://")
        if scheme not in schemes or not separator or not rest:
            raise _MalformedError(fix)
        try:
            urlsplit(url)
        except ValueError:
            raise _MalformedError(fix) from None
        return url

    return parse


def _master_key(value: Any) -> bytes:
    fix = "give 32 random bytes as 64 hexadecimal digits or in base64, as `openssl rand -hex 32` prints"
    text = value.strip() if isinstance(value, str) else ""
    try:
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _MalformedError(fix) from None
    if len(key) != 32:
        raise _MalformedError(fix)
    return key


def _cores(_values: Mapping[str, Any]) -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shipped(name: str) -> Path:
    """A file of `config/`, in a checkout or where the distribution was installed."""
    checkout = Path(__file__).parents[1] / "config" / name
    return checkout if checkout.is_file() else Path(sysconfig.get_path("data")) / "share" / "artifact-store" / name


_CLASS_NAME = _matching(r"[a-z0-9][a-z0-9-]{0,62}", "name it with lower-case letters, digits and hyphens")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """The effective settings. Paths are absolute; times are seconds."""

    data_dir: Path = _setting(
        _path,
        "where the embedded database, the files and the generated keys live",
        default=lambda _values: Path("data").absolute(),
        default_text="./data",
    )
    database_url: str = _setting(
        _url("sqlite+aiosqlite:///PATH", "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE"),
        "the database: sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE",
        default=lambda values: f"sqlite+aiosqlite:///{quote(str(values['data_dir'] / 'registry.db'))}",
        default_text="SQLite in the data directory",
    )
    store_url: str = _setting(
        _url("file:///PATH", "s3://BUCKET/PREFIX?endpoint=URL"),
        "where the bytes go: file:///PATH or s3://BUCKET/PREFIX?endpoint=URL",
        default=lambda values: (values["data_dir"] / "blobs").as_uri(),
        default_text="files in the data directory",
    )
    host: str = _setting(_text, "the address that both listeners bind", default="127.0.0.1")
    s3_port: int = _setting(_integer(0, 65535), "the port that speaks S3; 0 takes a free one", default=9000)
    port: int = _setting(
        _integer(0, 65535), "the port of the registry: health, metrics, API; 0 takes a free one", default=9001
    )
    s3_domain: tuple[str, ...] = _setting(
        _domains, "domains for virtual-host addressing, separated by commas", default=(), default_text="none"
    )
    region: str = _setting(
        _matching(r"[a-z0-9][a-z0-9-]{0,62}", "give a region of lower-case letters, digits and hyphens"),
        "the region that clients sign for",
        default="us-east-1",
    )
    root_access_key: str | None = _setting(
        _matching(r"[A-Za-z0-9_.-]{3,128}", "give 3 to 128 letters, digits, dots, hyphens or underscores"),
        "access key of the first administrator; set together with root_secret_key",
        default_text="generated, kept in the data directory",
    )
    root_secret_key: str | None = _setting(
        _matching(r"[\x21-\x7e]{8,128}", "give 8 to 128 printable characters without spaces"),
        "secret key of the first administrator",
        default_text="generated, kept in the data directory",
        secret=True,
    )
    master_key: bytes | None = _setting(
        _master_key,
        "key that encrypts the secrets in the database: 32 bytes, hexadecimal or base64; "
        "all gateways of one database share it",
        default_text="generated, kept in the data directory",
        secret=True,
    )
    retention_classes: Path = _setting(
        _path,
        "TOML file of the retention classes that a new registry begins with",
        default=lambda _values: _shipped("retention-classes.toml"),
        default_text="config/retention-classes.toml, as shipped",
    )
    tls_cert: Path | None = _setting(_path, "certificate chain (PEM); turns TLS on for both listeners")
    tls_key: Path | None = _setting(_path, "private key of tls_cert (PEM)")
    workers: int = _setting(
        _integer(1, 1024), "processes that share the ports", default=_cores, default_text="one per core"
    )
    log_level: str = _setting(
        _choice("debug", "info", "warning", "error"),
        "least severity that is logged; a line per request at info",
        default="info",
    )
    log_format: str = _setting(
        _choice("auto", "human", "json"), "form of the log; auto: human on a terminal, else json", default="auto"
    )
    event_loop: str = _setting(_choice("uvloop", "asyncio"), "event loop of the workers", default="uvloop")
    grace_time: float = _setting(
        _seconds, "seconds that requests in flight may take to finish after SIGTERM", default=30.0, default_text="30"
    )
    stall_timeout: float = _setting(
        _seconds, "seconds without a byte after which a client is given up", default=60.0, default_text="60"
    )
    max_bodies: int = _setting(
        _integer(1, 1_000_000), "request bodies in flight per worker; beyond it 503 SlowDown", default=256
    )
    webhook_loopback: str = _setting(
        _choice("deny", "allow"), "may webhooks be delivered to this machine itself: deny or allow", default="deny"
    )
    config: Path | None = None
    """The file that was read, if any."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each value came from, by name."""

    @classmethod
    def load(
        cls,
        *,
        file: Path | None = None,
        flags: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Read all sources. `file` is what `--config` names; `flags` are by setting name, None where not given.

        Raises SettingsError.
        """
        environ = os.environ if environ is None else environ
        path, from_file = _read_file(file, environ)
        sources = [
            _from_environment(environ),
            {name: (value, f"file {path}") for name, value in from_file.items()},
            {name: (value, f"flag --{name.replace('_', '-')}") for name, value in (flags or {}).items()},
        ]
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for setting in SETTINGS:
            for source in sources:
                value, origin = source.get(setting.name, (None, ""))
                if value is None:
                    continue
                values[setting.name] = _parsed(setting, value, origin)
                origins[setting.name] = origin
            if setting.name not in values:
                values[setting.name] = setting.default(values)
                origins[setting.name] = "default"
        settings = cls(**values, config=path, origins=origins)
        settings._check_together()
        return settings

    def _check_together(self) -> None:
        for one, other in (
            ("root_access_key", "root_secret_key"),
            ("root_secret_key", "root_access_key"),
            ("tls_cert", "tls_key"),
            ("tls_key", "tls_cert"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is None:
                raise SettingsError(f"{one} ({self.origins[one]}): {other} is missing; set both or neither.")
        for name in ("tls_cert", "tls_key"):
            path = getattr(self, name)
            if path is not None and not os.access(path, os.R_OK):
                raise SettingsError(
                    f"{name} ({self.origins[name]}): {path} cannot be read; name a PEM file that this user may read."
                )
        if self.port == self.s3_port != 0:
            raise SettingsError(
                f"port ({self.origins['port']}): {self.port} is the port of S3 as well "
                f"(s3_port, {self.origins['s3_port']}); choose two different ports."
            )

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{setting.name}={self.shown(setting)!r}' for setting in SETTINGS)})"

    @property
    def tls(self) -> bool:
        return self.tls_cert is not None

    def read_retention_classes(self) -> Sequence[RetentionClass]:
        """The classes in the file of that name, shortest first as they stand there. Raises SettingsError."""
        path, origin = self.retention_classes, f"retention_classes ({self.origins['retention_classes']})"
        classes = _read_toml(path, origin).get("class", [])
        try:
            return [
                RetentionClass(
                    name=_CLASS_NAME(entry["name"]),
                    duration=None if entry["term"] == "never" else parse_duration(entry["term"]),
                    description=_text(entry.get("description", "")),
                    rank=rank,
                )
                for rank, entry in enumerate(classes)
            ]
        except KeyError as missing:
            raise SettingsError(
                f"{origin}: a class of {path} has no {missing.args[0]}; give each name and term."
            ) from None
        except (_MalformedError, TypeError, ValueError) as error:
            raise SettingsError(f"{origin}: a class of {path} is malformed: {str(error).rstrip('.')}.") from None

    def shown(self, setting: Setting) -> str:
        """The value as an operator may see it: secrets masked, also inside URLs."""
        value = getattr(self, setting.name)
        if value is None or value == ():
            return ""
        if setting.secret:
            return MASK
        if isinstance(value, tuple):
            return ",".join(value)
        if isinstance(value, float):
            return f"{value:g}"
        return masked_url(value) if setting.name.endswith("_url") else str(value)


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name=declared.name, **declared.metadata) for declared in dataclasses.fields(Settings) if declared.metadata
)


_USER_PASSWORD = re.compile(r"(?<=://)([^/@?#:]*):([^/?#]*)@")
_QUERY_SECRET = re.compile(r"(?i)([?&][^=&#]*(?:secret|password|passwd|token|key)[^=&#]*=)[^&#]*")


def masked_url(url: str) -> str:
    """The URL without its password and without secrets among its query parameters."""
    return _QUERY_SECRET.sub(rf"\g<1>{MASK}", _USER_PASSWORD.sub(rf"\g<1>:{MASK}@", url))


def _parsed(setting: Setting, value: Any, origin: str) -> Any:
    try:
        return setting.parse(value)
    except _MalformedError as error:
        shown = "the value" if setting.secret or setting.name.endswith("_url") else repr(value)
        raise SettingsError(f"{setting.name} ({origin}): {shown} is not acceptable; {error}.") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Values by setting name. An empty variable counts as not set, so that a compose file can pass it through."""
    known = {setting.variable: setting.name for setting in SETTINGS}
    found: dict[str, tuple[Any, str]] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in (CONFIG_VARIABLE, *CLIENT_VARIABLES):
            continue
        if variable not in known:
            raise SettingsError(f"{variable} (environment): no such setting; {_nearest(variable, prefix=PREFIX)}")
        if value.strip():
            found[known[variable]] = (value, f"environment {variable}")
    return found


def _read_file(file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    if file is not None:
        origin = "flag --config"
    elif named := environ.get(CONFIG_VARIABLE, "").strip():
        file, origin = Path(named), f"environment {CONFIG_VARIABLE}"
    elif DEFAULT_FILE.is_file():
        file, origin = DEFAULT_FILE, "default"
    else:
        return None, {}
    values = _read_toml(file, f"config ({origin})")
    known = {setting.name for setting in SETTINGS}
    for name in values:
        if name not in known:
            raise SettingsError(f"{name} (file {file}): no such setting; {_nearest(name)}")
    return file, values


def _read_toml(file: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{what}: {file} cannot be read: {error.strerror}; name a file that exists.") from None
    except ValueError as error:  # malformed TOML, or not UTF-8
        raise SettingsError(f"{what}: {file} is not TOML: {error}; mend that place.") from None


def _nearest(name: str, *, prefix: str = "") -> str:
    known = [setting.name for setting in SETTINGS]
    near = difflib.get_close_matches(name.removeprefix(prefix).lower(), known, n=1)
    if not near:
        return "`artifact-store config` lists all there are."
    return f"did you mean {prefix + near[0].upper() if prefix else near[0]}?"
