"""What the server says when it starts: where it listens, and what to paste to push the first package."""

from __future__ import annotations

import shlex
from importlib.metadata import version

from gateway.installation import Installation
from gateway.keyring import Keyring
from gateway.process.listeners import Listeners
from gateway.settings import Settings


def welcome(settings: Settings, installation: Installation, listeners: Listeners) -> str:
    """The text. Generated keys are in it the first time only; keys that the operator chose never are."""
    return "\n".join(
        [
            f"artifact-store {version('artifact-store')}",
            "",
            f"  S3        {listeners.s3_url}",
            f"  registry  {listeners.registry_url}  (health, metrics)",
            f"  data      {settings.data_dir}",
            "",
            *_keys(settings, installation),
            "",
            "Push a directory from another terminal:",
            "",
            *(f"  {line}" for line in _push(settings, installation, listeners.s3_url)),
            "",
            "Stop with Ctrl-C.",
        ]
    )


def _keys(settings: Settings, installation: Installation) -> list[str]:
    if settings.root_access_key is not None:
        return [f"The first administrator's keys are set: {settings.origins['root_secret_key']}."]
    if installation.root is None:
        return ["The first administrator's keys are kept by the gateway that first used this database."]
    path = Keyring(settings).root_credentials_path
    if installation.root_is_new:
        return ["The first administrator's keys are below, shown only now. They are kept in", f"  {path}"]
    return ["The first administrator's keys are kept in", f"  {path}"]


def _push(settings: Settings, installation: Installation, url: str) -> list[str]:
    lines = [f"export AWS_DEFAULT_REGION={settings.region}"]
    if settings.tls_cert is not None:
        lines.append(f"export AWS_CA_BUNDLE={shlex.quote(str(settings.tls_cert))}")
    if settings.root_access_key is not None or installation.root is None:
        lines += [f"export AWS_ACCESS_KEY_ID={settings.root_access_key or '...'}", "export AWS_SECRET_ACCESS_KEY=..."]
    elif installation.root_is_new:
        lines += [
            f"export AWS_ACCESS_KEY_ID={shlex.quote(installation.root.access_key)}",
            f"export AWS_SECRET_ACCESS_KEY={shlex.quote(installation.root.secret_key)}",
        ]
    else:
        lines.append(f". {shlex.quote(str(Keyring(settings).root_credentials_path))}")
    return [
        *lines,
        "mkdir -p results && date > results/report.txt",
        f"aws --endpoint-url {url} s3 mb s3://evidence",
        f"aws --endpoint-url {url} s3 cp --recursive ./results s3://evidence/run-1/",
    ]
