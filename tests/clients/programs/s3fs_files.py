from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from program import ACCESS_KEY, CA_FILE, ENDPOINT, PART_SIZE, REGION, SECRET_KEY, main
from s3fs import S3FileSystem


class S3FS:
    def __init__(self) -> None:
        self._s3 = S3FileSystem(
            endpoint_url=ENDPOINT,
            key=ACCESS_KEY,
            secret=SECRET_KEY,
            client_kwargs={"region_name": REGION, "verify": CA_FILE},
        )

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        paths, keys = zip(*files, strict=True)
        targets = [f"{bucket}/{key}" for key in keys]
        self._s3.put([str(path) for path in paths], targets, chunksize=PART_SIZE)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        for path, found in self._s3.find(f"{bucket}/{prefix}", detail=True).items():
            yield path.removeprefix(f"{bucket}/"), found["size"]

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        for key, path in files:
            with self._s3.open(f"{bucket}/{key}", "rb", block_size=PART_SIZE) as source, path.open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)

    def remove(self, bucket: str, keys: list[str]) -> None:
        self._s3.rm([f"{bucket}/{key}" for key in keys])


main(S3FS())
