"""Where the commands that talk to a server find it, and as whom."""

from __future__ import annotations

import functools
import os
import re
import shlex
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from gateway.cli.api import Api
from gateway.cli.failure import USAGE, Failure
from gateway.cli.s3 import S3
from gateway.settings import CLIENT_VARIABLES

_ASSIGNMENT = re.compile(r"(?:export\s+)?(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY)=(.*)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The two addresses of a server and the keys to use there."""

    url: str
    s3_url: str
    region: str
    access_key: str
    secret: str = field(repr=False)
    ssl: ssl.SSLContext | None = None

    def api(self) -> Api:
        """The registry's REST interface."""
        with _addressed():
            return Api(self.url, self.access_key, self.secret, ssl=self.ssl)

    def s3(self, connections: int = 1) -> S3:
        """The S3 interface; at most so many requests at a time."""
        with _addressed():
            return S3(self.s3_url, self, region=self.region, ssl=self.ssl, connections=connections)


def endpoint_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the server is; it is called with an `endpoint`.

    The keys have no flag of their own: every user of a machine can read its command lines.
    """

    @functools.wraps(command)
    def with_endpoint(
        *,
        url: str,
        s3_url: str,
        region: str,
        credentials: Path | None,
        ca_bundle: Path | None,
        **options: Any,
    ) -> None:
        keys = os.environ if credentials is None else _read(credentials)
        access_key, secret = keys.get("AWS_ACCESS_KEY_ID"), keys.get("AWS_SECRET_ACCESS_KEY")
        if not access_key or not secret:
            raise Failure(
                "There are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --credentials FILE.",
                USAGE,
            )
        command(endpoint=Endpoint(url, s3_url, region, access_key, secret, _trusting(ca_bundle)), **options)

    url_variable, s3_variable = CLIENT_VARIABLES
    decorated: Callable[..., None] = with_endpoint
    for option in (
        click.option(
            "--ca-bundle",
            envvar="AWS_CA_BUNDLE",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Certificates (PEM) to trust instead of the system's; also AWS_CA_BUNDLE.",
        ),
        click.option(
            "--credentials",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="File with AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=...; otherwise the environment has them.",
        ),
        click.option(
            "--region",
            envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
            default="us-east-1",
            show_default=True,
            help="The region to sign for; also AWS_REGION.",
        ),
        click.option(
            "--s3-url",
            envvar=[s3_variable, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
            default="http://127.0.0.1:9000",
            show_default=True,
            metavar="URL",
            help=f"The server's S3 address; also {s3_variable} and AWS_ENDPOINT_URL.",
        ),
        click.option(
            "--url",
            envvar=url_variable,
            default="http://127.0.0.1:9001",
            show_default=True,
            metavar="URL",
            help=f"The registry's address; also {url_variable}.",
        ),
    ):
        decorated = option(decorated)
    return decorated


@contextmanager
def _addressed() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Failure(str(error), USAGE) from None


def _read(file: Path) -> Mapping[str, str]:
    """The keys in a file of lines for a shell, like `root-credentials`."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--credentials: {file} cannot be read: {error}.", USAGE) from None
    return {
        assignment[1]: "".join(shlex.split(assignment[2]))
        for line in lines
        if (assignment := _ASSIGNMENT.fullmatch(line.strip()))
    }


def _trusting(ca_bundle: Path | None) -> ssl.SSLContext | None:
    if ca_bundle is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise Failure(f"--ca-bundle: {ca_bundle} cannot be used: {error}.", USAGE) from None
