from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from program import ACCESS_KEY, CA_FILE, ENDPOINT, PART_SIZE, REGION, SECRET_KEY, main


class MinioFiles:
    def __init__(self) -> None:
        scheme, _, address = ENDPOINT.partition("://")
        self._s3 = Minio(
            endpoint=address,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=scheme == "https",
            region=REGION,
            http_client=urllib3.PoolManager(ca_certs=CA_FILE, retries=False),
        )

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        for path, key in files:
            self._s3.fput_object(bucket_name=bucket, object_name=key, file_path=str(path), part_size=PART_SIZE)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        for found in self._s3.list_objects(bucket_name=bucket, prefix=prefix, recursive=True):
            yield found.object_name, found.size

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        for key, path in files:
            self._s3.fget_object(bucket_name=bucket, object_name=key, file_path=str(path))

    def remove(self, bucket: str, keys: list[str]) -> None:
        errors = list(self._s3.remove_objects(bucket_name=bucket, delete_object_list=map(DeleteObject, keys)))
        assert not errors, errors


main(MinioFiles())
