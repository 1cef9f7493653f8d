"""Documents of a repository: what S3 keeps for a bucket as a whole, as tags or CORS rules, a document each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from registry import audit, events
from registry.clock import Clock
from registry.db import schema
from registry.db.database import Database, Lock, Scope
from registry.errors import RepositoryNotFoundError
from registry.model import Actor
from registry.repositories import Repositories


class RepositoryDocuments:
    """Reads and replaces them, by their kind."""

    def __init__(self, database: Database, repositories: Repositories, clock: Clock) -> None:
        self._database = database
        self._repositories = repositories
        self._clock = clock

    async def get(self, actor: Actor, repository: str, kind: str) -> Any:
        """The document; None where there is none."""
        found = await self._repositories.permitted(actor, "repository.read", repository)
        return await self._document(found.id, kind)

    async def public(self, repository: str, kind: str) -> Any:
        """The document, for a caller who is nobody: what it says is meant for everybody. None where there is none."""
        found = await self._repositories.refreshed(repository)
        return await self._document(found.id, kind)

    async def put(self, actor: Actor, repository: str, kind: str, document: Any) -> None:
        """Replace the document; None removes it."""
        found = await self._repositories.permitted(actor, "repository.update", repository)
        table = schema.repository_documents
        async with self._database.transaction(Lock(Scope.REPOSITORY, str(found.id))) as connection:
            there = select(schema.repositories.c.id).where(schema.repositories.c.id == found.id)
            if (await connection.execute(there)).first() is None:
                raise RepositoryNotFoundError(repository)
            now = self._clock()
            await connection.execute(delete(table).where(table.c.repository_id == found.id, table.c.kind == kind))
            if document is not None:
                row = {"repository_id": found.id, "kind": kind, "document": document, "updated_at": now}
                await connection.execute(insert(table).values(row))
            detail = {"document": kind, "content": document}
            entry = audit.entry(now, actor, "repository.update", repository=repository, detail=detail)
            event = events.event(
                now, "repository.updated", {"repository": repository, **detail}, repository_id=found.id
            )
            await connection.execute(insert(schema.audit_entries).values(entry))
            await connection.execute(insert(schema.events).values(event))

    async def _document(self, repository_id: int, kind: str) -> Any:
        table = schema.repository_documents
        query = select(table.c.document).where(table.c.repository_id == repository_id, table.c.kind == kind)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()
