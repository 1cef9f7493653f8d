from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import quote

from tests.clients.client import Client
from tests.clients.suite import Suite
from tests.fixtures import trees
from tests.services import clients

_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Curl(Client):
    """curl signs and no more: it sends no x-amz-content-sha256, and queries must come sorted and escaped."""

    multipart = False
    # Without that header nobody can tell a wrong key from a wrong body.
    wrong_secret = "Missing required header for this request: x-amz-content-sha256"

    def command(self, path: str, *words: object) -> tuple[object, ...]:
        trust = ["--cacert", self.endpoint.ca_file] if self.endpoint.ca_file else []
        return (
            *(clients.curl(), "--silent", "--show-error", "--fail-with-body", *trust),
            *("--aws-sigv4", f"aws:amz:{self.endpoint.region}:s3"),
            *("--user", f"{self.endpoint.access_key}:{self.endpoint.secret_key}"),
            *words,
            self.endpoint.url + path,
        )

    def curl(self, path: str, *words: object) -> str:
        return self.run(*self.command(path, *words))

    def push(self, tree: Path, bucket: str, prefix: str) -> None:
        for name in trees.sizes(tree):
            self.curl(f"/{bucket}/{_escaped(prefix + name)}", "--upload-file", tree / name)

    def listing(self, bucket: str, prefix: str) -> dict[str, int]:
        page = ET.fromstring(self.curl(f"/{bucket}?list-type=2&prefix={quote(prefix, safe='')}"))
        assert page.findtext(f"{_S3}IsTruncated") == "false"
        return {
            item.findtext(f"{_S3}Key", ""): int(item.findtext(f"{_S3}Size", ""))
            for item in page.iterfind(f"{_S3}Contents")
        }

    def pull(self, bucket: str, prefix: str, tree: Path) -> None:
        for key in self.listing(bucket, prefix):
            target = tree / key.removeprefix(prefix)
            self.curl(f"/{bucket}/{_escaped(key)}", "--create-dirs", "--output", target)
            target.touch()  # curl makes no file for no bytes

    def remove(self, bucket: str, prefix: str) -> None:
        for key in self.listing(bucket, prefix):
            self.curl(f"/{bucket}/{_escaped(key)}", "--request", "DELETE")


class TestCurl(Suite):
    client = Curl


def _escaped(key: str) -> str:
    return quote(key, safe="/-_.~")
