from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from program import ACCESS_KEY, CA_FILE, ENDPOINT, REGION, SECRET_KEY, main
from pyarrow import fs

_BLOCK = 1 << 20


class PyArrow:
    def __init__(self) -> None:
        scheme, _, address = ENDPOINT.partition("://")
        self._s3 = fs.S3FileSystem(
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            region=REGION,
            scheme=scheme,
            endpoint_override=address,
            tls_ca_file_path=CA_FILE,
        )
        self._local = fs.LocalFileSystem()

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        for path, key in files:
            fs.copy_files(str(path), f"{bucket}/{key}", self._local, self._s3, chunk_size=_BLOCK)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        below = fs.FileSelector(f"{bucket}/{prefix.rstrip('/')}", recursive=True, allow_not_found=True)
        for found in self._s3.get_file_info(below):
            if found.is_file:
                yield found.path.removeprefix(f"{bucket}/"), found.size

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        for key, path in files:
            fs.copy_files(f"{bucket}/{key}", str(path), self._s3, self._local, chunk_size=_BLOCK)

    def remove(self, bucket: str, keys: list[str]) -> None:
        self._s3.delete_dir(f"{bucket}/{keys[0].split('/')[0]}")


main(PyArrow())
