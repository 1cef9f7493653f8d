"""Run the public suite: `python -m tests.conformance.s3.public CHECKOUT`.

It is run by the Python in S3TESTS_PYTHON (by default CHECKOUT/.venv/bin/python), which has the suite's requirements and
pytest-xdist. S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY, S3_ALT_ACCESS_KEY and S3_ALT_SECRET_KEY name another
server than one of our own.
"""

from __future__ import annotations

import configparser
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import boto3

from tests.conformance.s3.public import compatibility, results
from tests.services.server import Server

_ACCOUNTS = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")
"""Sections of the suite's configuration that it insists on; the tests listed use the first two."""

Keys = tuple[str, str]


@contextmanager
def _endpoint(directory: Path) -> Iterator[tuple[str, list[Keys]]]:
    named = os.environ.get("S3_ENDPOINT")
    if named is not None:
        main, alt = (
            (os.environ[f"S3_{account}ACCESS_KEY"], os.environ[f"S3_{account}SECRET_KEY"]) for account in ("", "ALT_")
        )
        yield named, [main, alt]
        return
    server = Server.start(directory / "server")
    try:
        yield server.endpoint_url.removeprefix("http://"), [_account(server, name) for name in ("main", "alt")]
    finally:
        server.stop()


def _account(server: Server, name: str) -> Keys:
    server.command("account", "create", name)
    made = json.loads(server.command("key", "create", name, "--json").stdout)
    return made["access_key"], made["secret_key"]


def _configuration(endpoint: str, accounts: list[Keys]) -> configparser.RawConfigParser:
    host, _, port = endpoint.rpartition(":")
    configuration = configparser.RawConfigParser()
    configuration["DEFAULT"] = {"host": host, "port": port, "is_secure": "False", "ssl_verify": "False"}
    configuration["fixtures"] = {
        "bucket prefix": f"s3-tests-{secrets.token_hex(3)}-{{random}}-",
        "iam name prefix": "s3-tests-",
        "iam path prefix": "/s3-tests/",
    }
    for number, section in enumerate(_ACCOUNTS):
        access_key, secret_key = accounts[min(number, 1)]
        owner = _owner(endpoint, access_key, secret_key)
        configuration[section] = {
            "display_name": owner["DisplayName"],
            "user_id": owner["ID"],
            "email": f"{owner['DisplayName']}@example.com",
            "api_name": "",
            "access_key": access_key,
            "secret_key": secret_key,
            "tenant": "none",
        }
    return configuration


def _owner(endpoint: str, access_key: str, secret_key: str) -> Mapping[str, str]:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{endpoint}",
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )
    owner: Mapping[str, str] = client.list_buckets()["Owner"]
    return owner


def _run(checkout: Path, configuration: Path, report: Path) -> None:
    python = os.environ.get("S3TESTS_PYTHON", str(checkout / ".venv" / "bin" / "python"))
    tests = [f"s3tests/functional/{test}" for test in results.listed()]
    # Every process of the suite has buckets of its own, so the tests may run side by side.
    command = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--tb=line"]
    subprocess.run(
        [*command, f"--junitxml={report}", *tests],
        cwd=checkout,
        env={**os.environ, "S3TEST_CONF": str(configuration)},
        check=False,  # that tests fail is what is to be found out
    )


def _outcomes(report: Path) -> Mapping[str, str]:
    outcomes: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        test = f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}"
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else results.PASSED
        if outcomes.get(test, results.PASSED) == results.PASSED:
            outcomes[test] = outcome
    return outcomes


def main() -> None:
    """Run the suite, keep what it found and write the document."""
    checkout = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        report = directory / "report.xml"
        with _endpoint(directory) as (endpoint, accounts):
            path = directory / "s3tests.conf"
            with path.open("w") as file:
                _configuration(endpoint, accounts).write(file)
            _run(checkout, path, report)
        outcomes = _outcomes(report)
    passed = sum(outcomes.get(test) == results.PASSED for test in results.listed())
    print(f"{passed} of {len(results.listed())} pass")
    if "S3_ENDPOINT" not in os.environ:
        results.write(outcomes)
        compatibility.DOCUMENT.write_text(compatibility.render())


if __name__ == "__main__":
    main()
