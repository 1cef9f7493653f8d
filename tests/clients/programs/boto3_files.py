from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import boto3
from program import ENDPOINT, main


class Boto3:
    def __init__(self) -> None:
        self._s3 = boto3.client("s3", endpoint_url=ENDPOINT)

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        for path, key in files:
            self._s3.upload_file(str(path), bucket, key)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield item["Key"], item["Size"]

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        for key, path in files:
            self._s3.download_file(bucket, key, str(path))

    def remove(self, bucket: str, keys: list[str]) -> None:
        answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert sorted(item["Key"] for item in answer["Deleted"]) == sorted(keys), answer


main(Boto3())
