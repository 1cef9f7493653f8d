"""What the first start creates, what later ones leave alone, and how the server refuses to start."""

from __future__ import annotations

import re
import socket
import stat
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.services.certificate import Certificate
from tests.services.server import Server
from tests.unit.cli.conftest import Command


def mode(path: Path) -> str:
    return stat.filemode(path.stat().st_mode)


def test_migrate_creates_everything(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert command.run("migrate").stdout.startswith("The database went from revision none to ")
    assert mode(data) == "drwx------"
    assert mode(data / "master-key") == mode(data / "root-credentials") == "-rw-------"
    assert not [path.name for path in data.iterdir() if path.name.startswith(".")]

    credentials = (data / "root-credentials").read_text()
    assert command.run("migrate").stdout.startswith("The database is up to date: revision ")
    assert (data / "root-credentials").read_text() == credentials
    assert [key["account"] for key in command.json("key", "list")] == ["root"]


def test_an_interrupted_first_start_goes_on(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "root-credentials").write_text(
        "export AWS_ACCESS_KEY_ID=EARLIER\nexport AWS_SECRET_ACCESS_KEY='$ecret-kept'\n"
    )
    command.run("migrate")
    assert [key["access_key"] for key in command.json("key", "list")] == ["EARLIER"]


def test_keys_are_printed_once(start_server: StartServer) -> None:
    first = start_server(root_access_key="", root_secret_key="")
    secret = re.search(r"AWS_SECRET_ACCESS_KEY=(\S+)", first.output)
    assert secret
    assert secret[1] in (first.data_dir / "root-credentials").read_text()
    assert "shown only now" in first.output
    assert f"aws --endpoint-url {first.endpoint_url} s3 cp --recursive" in first.output
    first.stop()
    assert secret[1] not in first.log

    later = start_server(root_access_key="", root_secret_key="", data_dir=first.data_dir)
    assert secret[1] not in later.output
    assert f"  . {first.data_dir}/root-credentials\n" in later.output
    later.stop()


def test_keys_of_the_operator_are_never_printed(server: Server) -> None:
    assert server.secret_key not in server.output
    assert "keys are set: environment ARTIFACT_STORE_ROOT_SECRET_KEY." in server.output
    assert not (server.data_dir / "root-credentials").exists()


def test_a_new_root_key_beside_the_old_one(command: Command) -> None:
    command.run("migrate")
    command.environment |= {"ARTIFACT_STORE_ROOT_ACCESS_KEY": "NEW", "ARTIFACT_STORE_ROOT_SECRET_KEY": "new-secret"}
    command.run("migrate")
    command.run("migrate")
    assert "NEW" in [key["access_key"] for key in command.json("key", "list", "root")]

    command.environment["ARTIFACT_STORE_ROOT_SECRET_KEY"] = "other-secret"
    assert command.refused("migrate", exit_code=3) == (
        "root_access_key (environment ARTIFACT_STORE_ROOT_ACCESS_KEY): NEW has another secret in the database; "
        "a key's secret never changes: give a new access key with the new secret."
    )
    command.run("key", "revoke", "NEW")
    assert "NEW was revoked" in command.refused("migrate", exit_code=3)

    command.run("account", "create", "ci")
    command.run("key", "create", "ci", "--access-key", "OF-CI", "--secret-key", "secret-of-ci")
    command.environment["ARTIFACT_STORE_ROOT_ACCESS_KEY"] = "OF-CI"
    assert "OF-CI belongs to another account" in command.refused("migrate", exit_code=3)


def test_a_revoked_generated_key_stays_revoked(command: Command) -> None:
    command.run("migrate")
    (key,) = command.json("key", "list", "root")
    command.run("key", "revoke", key["access_key"])
    command.run("migrate")
    (key,) = command.json("key", "list", "root")
    assert key["revoked_at"] is not None


@pytest.mark.parametrize("name", ["s3_port", "port"])
def test_a_port_in_use(command: Command, name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        other = "port" if name == "s3_port" else "s3_port"
        command.environment |= {f"ARTIFACT_STORE_{name.upper()}": str(number), f"ARTIFACT_STORE_{other.upper()}": "0"}
        message = command.refused("serve", exit_code=3)
    assert message.startswith(
        f"{name} (environment ARTIFACT_STORE_{name.upper()}): port {number} of 127.0.0.1 is in use"
    )
    assert not (tmp_path / "data").exists()


def test_a_certificate_that_is_none(command: Command, certificate: Certificate, tmp_path: Path) -> None:
    (tmp_path / "no-certificate").write_text("not PEM")
    command.environment |= {
        "ARTIFACT_STORE_TLS_CERT": str(tmp_path / "no-certificate"),
        "ARTIFACT_STORE_TLS_KEY": str(certificate.key),
    }
    message = command.refused("serve", "--port", "0", "--s3-port", "0", exit_code=3)
    assert message.startswith(f"tls_cert {tmp_path}/no-certificate and tls_key {certificate.key} cannot be used: ")


def test_a_data_directory_that_cannot_be(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert f"{tmp_path}/data cannot be created" in command.refused("migrate", exit_code=3)


def test_a_store_that_cannot_be(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    command.environment["ARTIFACT_STORE_STORE_URL"] = f"file://{tmp_path}/file/blobs"
    assert f"the store file://{tmp_path}/file/blobs: " in command.refused("migrate", exit_code=3)
