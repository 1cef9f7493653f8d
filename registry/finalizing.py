"""Finalizing a package: its files are frozen, and described by a manifest that lies beside them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import rfc8785
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from backends.store import Buffers
from registry import manifest, sha256sums
from registry.blobs import DEFAULT_CHECKSUM, Blobs, Content
from registry.db import schema
from registry.digests import Digests
from registry.errors import InvalidRequestError, PackageStateError
from registry.ids import uuid7
from registry.lifecycle import move
from registry.model import Actor, FileAttributes, Package, PackageStatus, Versioning
from registry.names import RESERVED_SEGMENT
from registry.opened_package import Opened
from registry.package_classes import class_duration
from registry.package_search import package_of
from registry.source import Expect
from registry.terms import expiry, later

DOCUMENT_LIMIT = 5 * 1024**3


class Written:
    """A document the registry wrote itself, as a source."""

    def __init__(self, document: bytes) -> None:
        self._document = memoryview(document)
        self.length: int | None = len(document)
        self.expect = Expect()

    async def __aiter__(self) -> AsyncIterator[Buffers]:
        for start in range(0, len(self._document), 1 << 19):
            yield (self._document[start : start + (1 << 19)],)

    def finish(self, digests: Digests) -> None:
        """Nothing was announced."""


class Finalizing:
    """One finalization, inside the transaction that holds the package still."""

    def __init__(self, package: Opened, blobs: Blobs) -> None:
        self._package = package
        self._blobs = blobs

    async def run(self, actor: Actor, sums: Mapping[str, str] | None, listing: bytes | None) -> Package:
        """See `Packages.finalize`."""
        row = self._package.row
        again = row["status"] == PackageStatus.FINALIZED and not row["amending"]
        if row["status"] not in {PackageStatus.CREATED, PackageStatus.UPLOADING, PackageStatus.FINALIZED}:
            raise PackageStateError(f"Package {row['name']} is {row['status']} and cannot be finalized.")
        files = await self._files()
        if not files:
            raise InvalidRequestError(f"Package {row['name']} has no files: there is nothing to finalize.")
        if sums is not None:
            difference = sha256sums.differences(sums, {file.path: file.sha256 for file in files})
            if difference:
                raise sha256sums.SumsDifferError(difference)
        if again:
            return package_of(row)
        return await self._freeze(actor, files, listing)

    async def _files(self) -> Sequence[manifest.ManifestFile]:
        table, other = schema.file_versions, schema.file_versions.alias("other")
        newest = (
            select(func.max(other.c.seq))
            .where(other.c.repository_id == table.c.repository_id, other.c.key == table.c.key)
            .scalar_subquery()
        )
        query = (
            select(table.c.key, table.c.size, table.c.sha256, table.c.attributes, table.c.id)
            .where(table.c.package_id == self._package.row["id"], ~table.c.delete_marker, table.c.seq == newest)
            .order_by(table.c.key)
        )
        below = len(self._package.row["name"]) + 1
        rows = await self._package.connection.execute(query)
        return [
            manifest.ManifestFile(
                key[below:], size, sha256, json.loads(described).get("type", FileAttributes().content_type), version_id
            )
            for key, size, sha256, described, version_id in rows
        ]

    async def _freeze(self, actor: Actor, files: Sequence[manifest.ManifestFile], listing: bytes | None) -> Package:
        package, row = self._package, self._package.row
        if row["status"] == PackageStatus.CREATED:
            move(row, PackageStatus.UPLOADING)
        move(row, PackageStatus.FINALIZED)
        previous = row["manifest_sha256"]
        duration = await class_duration(package.connection, row["retention_class"])
        kept = expiry(package.now, duration, row["extended_until"])
        # An amendment renews the term and never shortens it.
        row["expires_at"] = kept if previous is None else later(kept, row["expires_at"])
        row["finalized_at"] = package.now
        row["revision"] += 1
        row["amending"] = False
        document, row["manifest_sha256"] = manifest.encode_whole(self._manifest(actor, files, previous))
        blob_id = await self._write("manifest.json", document, "application/json")
        await self._write(f"revisions/{row['revision']}/manifest.json", document, "application/json")
        if listing is None or b"\r" in listing:  # `sha256sum -c` would take the \r for a part of the name
            listing = b"".join(sha256sums.render((file.path, file.sha256) for file in files))
        await self._write("SHA256SUMS", listing, "text/plain; charset=utf-8")
        await self._write(f"revisions/{row['revision']}/SHA256SUMS", listing, "text/plain; charset=utf-8")
        await self._write("package.json", self._description(), "application/json")
        await package.connection.execute(
            insert(schema.package_revisions).values(
                package_id=row["id"],
                revision=row["revision"],
                manifest_sha256=row["manifest_sha256"],
                manifest_blob_id=blob_id,
                previous_sha256=previous,
                size=row["size"],
                file_count=row["file_count"],
                finalized_at=package.now,
                finalized_by=actor.name,
            )
        )
        kind = "package.finalized" if previous is None else "package.amended"
        detail = {
            "revision": row["revision"],
            "manifest_sha256": row["manifest_sha256"],
            "files": row["file_count"],
            "size": row["size"],
            "retention_class": row["retention_class"],
            "expires_at": row["expires_at"],
        }
        await package.tell(actor, "package.finalize", kind, detail)
        return await package.write()

    def _manifest(
        self, actor: Actor, files: Sequence[manifest.ManifestFile], previous: str | None
    ) -> manifest.Manifest:
        row = self._package.row
        return manifest.Manifest(
            package_id=row["id"],
            repository=self._package.repository.name,
            name=row["name"],
            revision=row["revision"],
            previous=previous,
            metadata=row["metadata"],
            labels=row["labels"],
            producer=row["producer"],
            retention_class=row["retention_class"],
            expires_at=row["expires_at"],
            finalized_at=row["finalized_at"],
            finalized_by=actor.name,
            files=files,
        )

    def _description(self) -> bytes:
        row = self._package.row
        said = {**row["metadata"], "retention_class": row["retention_class"]}
        if row["labels"]:
            said["labels"] = row["labels"]
        if row["producer"] is not None:
            said["producer"] = row["producer"]
        return rfc8785.dumps(said)

    async def _write(self, name: str, document: bytes, content_type: str) -> str:
        """Make the document a file of the registry's own below the package; returns the id of its blob."""
        content, held = await self._blobs.ingest(Written(document), checksum=DEFAULT_CHECKSUM, limit=DOCUMENT_LIMIT)
        blob_id = await self._blob(content)
        if blob_id is None:
            content = await self._blobs.keep(content, held)
            blob_id = await self._blob(content)
        package = self._package
        table, heads = schema.file_versions, schema.files
        key = f"{package.row['name']}/{RESERVED_SEGMENT}/{name}"
        same = (table.c.repository_id == package.repository.id) & (table.c.key == key)
        last = (await package.connection.execute(select(func.max(table.c.seq)).where(same))).scalar()
        if package.repository.versioning is not Versioning.ENABLED:
            await package.connection.execute(delete(table).where(same & table.c.null_version))
        checksum = content.checksum
        version = {
            "repository_id": package.repository.id,
            "key": key,
            "seq": (last or 0) + 1,
            "id": uuid7(),
            "null_version": package.repository.versioning is not Versioning.ENABLED,
            "delete_marker": False,
            "package_id": None,
            "revision": package.row["revision"],
            "blob_id": blob_id,
            "size": content.size,
            "sha256": content.sha256,
            "etag": content.etag,
            "checksum_algorithm": checksum.algorithm if checksum else None,
            "checksum_value": checksum.value if checksum else None,
            "checksum_type": checksum.type.value if checksum else None,
            "part_count": None,
            "attributes": json.dumps({"type": content_type}, separators=(",", ":")),
            "storage_class": "STANDARD",
            "created_at": package.now,
            "created_by": "system",
            "lock_mode": None,
            "retain_until": None,
        }
        await package.connection.execute(insert(table).values(version))
        listed = {name: version.get(name, package.now) for name in heads.columns.keys()}  # noqa: SIM118 - a collection of columns
        await package.connection.execute(
            delete(heads).where(heads.c.repository_id == package.repository.id, heads.c.key == key)
        )
        await package.connection.execute(insert(heads).values(listed))
        return str(blob_id)

    async def _blob(self, content: Content) -> str | None:
        """The id of the blob of that content, made if its bytes were just written; None: bytes are needed."""
        connection, table = self._package.connection, schema.blobs
        found = select(table.c.id).where(table.c.identity == content.identity)
        known = (await connection.execute(found)).scalar_one_or_none()
        if known is not None or content.storage_key is None:
            return known
        family: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        blob_id = uuid7()
        made = await connection.execute(
            family.insert(table)
            .values(
                id=blob_id,
                identity=content.identity,
                sha256=content.sha256,
                size=content.size,
                created_at=self._package.now,
            )
            .on_conflict_do_nothing()
        )
        if made.rowcount == 0:
            return str((await connection.execute(found)).scalar_one())
        await connection.execute(
            insert(schema.blob_locations).values(
                blob_id=blob_id, store=content.store, storage_key=content.storage_key, created_at=self._package.now
            )
        )
        return blob_id
