"""Object Lock: how long versions are kept by S3's own words, on the same rows and by the same predicate as all else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update

from registry import audit, events, policy
from registry.changes.file import locks_of
from registry.changes.put_file import LEGAL_HOLD
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.default_retention import DOCUMENT, DefaultRetention
from registry.errors import InvalidArgumentError, InvalidRequestError, ProtectedError, RepositoryNotFoundError
from registry.files import Files
from registry.holds import Holds
from registry.model import Actor, FileVersion, HoldQuery, Repository, Versioning
from registry.names import check_key
from registry.protection import relock_reasons
from registry.repositories import Repositories
from registry.version_row import version_row
from registry.versions import version_of

NOT_LOCKABLE = "Bucket is missing Object Lock Configuration"


@dataclass(frozen=True, slots=True)
class Lockable:
    """Whether a repository has Object Lock, and what it gives new versions."""

    enabled: bool
    default: DefaultRetention | None = None


class ObjectLock:
    """Configures repositories, and locks versions."""

    def __init__(
        self, database: Database, repositories: Repositories, files: Files, holds: Holds, clock: Clock
    ) -> None:
        self._database = database
        self._repositories = repositories
        self._files = files
        self._holds = holds
        self._clock = clock

    async def configuration(self, actor: Actor, repository: str) -> Lockable:
        """What is set for the repository, as it is now."""
        found = await self._repositories.permitted(actor, "repository.read", repository)
        repositories, documents = schema.repositories, schema.repository_documents
        query = (
            select(repositories.c.object_lock, documents.c.document)
            .outerjoin(documents, (documents.c.repository_id == repositories.c.id) & (documents.c.kind == DOCUMENT))
            .where(repositories.c.id == found.id)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise RepositoryNotFoundError(repository)
        return Lockable(bool(row[0]), None if row[1] is None else DefaultRetention.of_document(row[1]))

    async def configure(self, actor: Actor, repository: str, default: DefaultRetention | None) -> None:
        """Give the repository Object Lock for good, and a default retention, or none, for what is written from now on.

        Raises InvalidRequestError unless its versioning is enabled.
        """
        found = await self._repositories.permitted(actor, "repository.update", repository)
        table, documents = schema.repositories, schema.repository_documents
        # Writers hold the shared lock of the repository: alone, nothing is written by the old rule any more.
        async with self._database.transaction(Lock(Scope.REPOSITORY, str(found.id))) as connection:
            versioning = (await connection.execute(select(table.c.versioning).where(table.c.id == found.id))).scalar()
            if versioning is None:
                raise RepositoryNotFoundError(repository)
            if versioning != Versioning.ENABLED:
                raise InvalidRequestError("Versioning must be 'Enabled' on the bucket to apply an Object Lock rule.")
            now = self._clock()
            await connection.execute(update(table).where(table.c.id == found.id).values(object_lock=True))
            await connection.execute(
                delete(documents).where(documents.c.repository_id == found.id, documents.c.kind == DOCUMENT)
            )
            document = None if default is None else default.document()
            if document is not None:
                row = {"repository_id": found.id, "kind": DOCUMENT, "document": document, "updated_at": now}
                await connection.execute(insert(documents).values(row))
            detail = {"object_lock": True, "default_retention": document}
            entry = audit.entry(now, actor, "repository.update", repository=repository, detail=detail)
            event = events.event(
                now, "repository.updated", {"repository": repository, **detail}, repository_id=found.id
            )
            await connection.execute(insert(schema.audit_entries).values(entry))
            await connection.execute(insert(schema.events).values(event))
        await self._repositories.refreshed(repository)

    async def retain(
        self,
        actor: Actor,
        repository: str,
        key: str,
        version_id: str | None,
        *,
        mode: str | None,
        until: int | None,
        bypass_governance: bool = False,
    ) -> FileVersion:
        """Lock a version, or lock it for longer; mode and until None take a lock away that may go.

        COMPLIANCE only ever becomes longer. GOVERNANCE becomes shorter, another mode or none only for who asks to
        bypass it and has the permission. Raises ProtectedError otherwise.
        """
        found = await self._lockable(actor, "retention.set", repository)
        check_key(key)
        now = self._clock()
        if until is not None and until <= now:
            raise InvalidArgumentError("RetainUntilDate", until, "The retain until date must be in the future!")
        bypass = bypass_governance and policy.may(actor, "retention.bypass", found)
        table = schema.file_versions
        async with self._database.transaction(*locks_of(found, key)) as connection:
            row = dict(await version_row(connection, found, key, version_id))
            refused = relock_reasons(row, now, mode=mode, until=until, bypass_governance=bypass)
            detail: dict[str, Any] = {
                "before": {"mode": row["lock_mode"], "until": row["retain_until"]},
                "after": {"mode": mode, "until": until},
            }
            if refused:
                detail["reasons"] = [reason.message for reason in refused]
            else:
                row |= {"lock_mode": mode, "retain_until": until}
                await connection.execute(
                    update(table).where(table.c.id == row["id"]).values(lock_mode=mode, retain_until=until)
                )
                payload = {"repository": repository, "key": key, "version_id": row["id"], **detail}
                happened = events.event(
                    now, "file.retained", payload, repository_id=found.id, package_id=row["package_id"]
                )
                await connection.execute(insert(schema.events).values(happened))
            entry = audit.entry(
                now,
                actor,
                "file.retain",
                outcome=audit.DENIED if refused else audit.DONE,
                repository=repository,
                resource=key,
                package_id=row["package_id"],
                version_id=row["id"],
                detail=detail,
            )
            await connection.execute(insert(schema.audit_entries).values(entry))
        if refused:
            raise ProtectedError(refused)
        return version_of(row)

    async def hold(self, actor: Actor, repository: str, key: str, version_id: str | None, *, held: bool) -> FileVersion:
        """Place S3's legal hold on a version, or release it. Other holds stay what they are. Repeating is no change."""
        await self._lockable(actor, "hold.place" if held else "hold.release", repository)
        version = await self._files.get(actor, repository, key, version_id)
        active = await self._legal_holds(actor, version, active=True)
        if held and not active:
            reason = "legal hold placed through S3"
            await self._holds.place(actor, version_id=version.id, name=LEGAL_HOLD, reason=reason)
        if not held:
            for hold_id in active:
                await self._holds.release(actor, hold_id, reason="legal hold released through S3")
        return version

    async def was_held(self, actor: Actor, version: FileVersion) -> bool:
        """Whether S3's legal hold was ever placed on the version."""
        return bool(await self._legal_holds(actor, version, active=None))

    async def _legal_holds(self, actor: Actor, version: FileVersion, *, active: bool | None) -> list[str]:
        query = HoldQuery(version_id=version.id, name=LEGAL_HOLD, active=active)
        return [hold.id for hold in (await self._holds.list(actor, query)).items]

    async def _lockable(self, actor: Actor, action: str, repository: str) -> Repository:
        found = await self._repositories.permitted(actor, action, repository)
        if not found.object_lock:
            # It may have been given Object Lock since it was looked at.
            found = await self._repositories.refreshed(repository)
        if not found.object_lock:
            raise InvalidRequestError(NOT_LOCKABLE)
        return found
