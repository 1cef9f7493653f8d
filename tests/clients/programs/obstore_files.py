from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from obstore.store import S3Store
from program import ACCESS_KEY, CA_FILE, ENDPOINT, PART_SIZE, REGION, SECRET_KEY, main


class Obstore:
    def _store(self, bucket: str) -> S3Store:
        options = {"root_certificate": Path(CA_FILE).read_bytes()} if CA_FILE else {"allow_http": True}
        return S3Store(
            bucket,
            endpoint=ENDPOINT,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region=REGION,
            client_options=options,
            retry_config={"max_retries": 0},
        )

    def push(self, files: Iterable[tuple[Path, str]], bucket: str) -> None:
        store = self._store(bucket)
        for path, key in files:
            store.put(key, path, chunk_size=PART_SIZE)

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        for page in self._store(bucket).list(prefix):
            for found in page:
                yield found["path"], found["size"]

    def pull(self, bucket: str, files: Iterable[tuple[str, Path]]) -> None:
        store = self._store(bucket)
        for key, path in files:
            with path.open("wb") as target:
                for block in store.get(key):
                    target.write(block)

    def remove(self, bucket: str, keys: list[str]) -> None:
        self._store(bucket).delete(keys)


main(Obstore())
