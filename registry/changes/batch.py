"""The unit of work of a batch: load what its changes need, let them decide, write what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, Text, bindparam, cast, delete, func, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, FromClause

from registry import default_retention
from registry.changes.state import Change, FileKey, Needs, State
from registry.clock import Clock
from registry.db import schema
from registry.db.statements import Execute, Fetch, Row, Wanted, Work, inserting, replacing, wanted
from registry.errors import RegistryError

KEYS = Wanted("wanted", {"repository_id": BigInteger(), "key": Text()})
NAMES = Wanted("wanted", {"repository_id": BigInteger(), "name": Text()})
IDS = Wanted("wanted", {"id": Text()})
NUMBERS = Wanted("wanted", {"id": BigInteger()})


def batch(clock: Clock) -> Callable[[Sequence[Change]], Work]:
    """The unit of work that loads, decides and writes a batch of changes; its result is their outcomes."""

    def work(changes: Sequence[Change]) -> Work:
        state = State(clock())
        yield from _load(state, changes)
        outcomes = [_outcome(change, state) for change in changes]
        yield from _writes(state)
        return outcomes

    return work


def _outcome(change: Change, state: State) -> Any:
    try:
        return change.decide(state)
    except RegistryError as refusal:
        return refusal


def _load(state: State, changes: Sequence[Change]) -> Work:
    needs = Needs()
    for change in changes:
        change.needs(needs)
    for row in (yield _REPOSITORIES([(number,) for number in needs.repositories])):
        state.repositories[row["id"]] = row
    yield from _load_versions(state, needs)
    yield from _load_packages(state, needs)
    if needs.blobs:
        for row in (yield _BLOBS([(identity,) for identity in needs.blobs])):
            blob = state.blobs.setdefault(
                row["identity"], {"id": row["id"], "identity": row["identity"], "locations": {}}
            )
            blob["locations"][row["store"]] = row["storage_key"]
    if needs.uploads:
        for row in (yield _UPLOADS([(number,) for number in needs.uploads])):
            state.uploads[row["id"]] = dict(row)
    targets = [(row["id"],) for row in state.packages.values()]
    targets += [(row["id"],) for rows in state.versions.values() for row in rows]
    if targets:
        for row in (yield _HOLDS(targets)):
            state.holds[row["package_id"] or row["version_id"]].append(dict(row))
    return None


def _load_versions(state: State, needs: Needs) -> Work:
    if needs.files:
        current = needs.files - needs.histories
        rows = (yield _CURRENT(current)) if current else []
        _versions(state, rows)
        suspended = [key for key in current if _is_suspended(state, key)]
        if suspended:
            _versions(state, (yield _NULL(suspended)))
    if needs.histories:
        _versions(state, (yield _HISTORY(needs.histories)))
    return None


def _load_packages(state: State, needs: Needs) -> Work:
    if needs.packages:
        for row in (yield _PACKAGES(needs.packages)):
            state.packages[row["repository_id"], row["name"]] = dict(row)
    if needs.retention_classes or len(state.packages) < len(needs.packages):
        rows = yield Fetch(_retention_classes, lambda _: {})
        state.retention_classes = {row["name"]: row for row in rows}
    return None


def _is_suspended(state: State, key: FileKey) -> bool:
    repository = state.repositories.get(key[0])
    return repository is not None and bool(repository["versioning"] == "suspended")


def _versions(state: State, rows: Sequence[Row]) -> None:
    for row in rows:
        known = state.versions.setdefault((row["repository_id"], row["key"]), [])
        if all(version["id"] != row["id"] for version in known):
            known.append(dict(row))
            known.sort(key=lambda version: -version["seq"])


def _writes(state: State) -> Work:
    listed, unlisted = [], []
    for key in state.touched:
        version = state.current(key)
        if version is None or version["delete_marker"]:
            unlisted.append({"b_repository_id": key[0], "b_key": key[1]})
        else:
            listed.append({**version, "modified_at": version["created_at"]})
    steps = [
        # What goes makes room for what comes; rows that others refer to come first and go last.
        Execute(_delete_versions, [{"b_id": version["id"]} for version in state.gone_versions]),
        Execute(_delete_parts, [{"b_id": version["id"]} for version in state.gone_versions if version["part_count"]]),
        Execute(_delete_packages, [{"b_id": package["id"]} for package in state.gone_packages]),
        Execute(_insert_packages, [*state.new_packages.values()]),
        Execute(_insert_blobs, state.new_blobs),
        Execute(_insert_locations, state.new_locations),
        Execute(_insert_versions, [*state.new_versions.values()]),
        Execute(_refresh_versions, [_prefixed(row, "id", "created_at") for row in state.refreshed_versions.values()]),
        Execute(_insert_parts, [row for rows in state.new_parts.values() for row in rows]),
        Execute(_upsert_files, listed),
        Execute(_delete_files, unlisted),
        Execute(_update_packages, [_prefixed(row, *_PACKAGE_CHANGES) for row in state.changed_packages.values()]),
        Execute(_insert_holds, state.new_holds),
        Execute(_insert_uploads, state.new_uploads),
        Execute(_upsert_upload_parts, [*state.upload_parts.values()]),
        Execute(
            _complete_uploads,
            [_prefixed(row, "id", "completed_version", "completed_at") for row in state.completed_uploads],
        ),
        Execute(_delete_upload_parts, [{"b_id": upload["id"]} for upload in state.completed_uploads]),
        Execute(_delete_uploads, [{"b_id": upload["id"]} for upload in state.gone_uploads]),
        Execute(_insert_audit, state.audit),
        Execute(_insert_events, state.events),
    ]
    for step in steps:
        if step.rows:
            yield step


def _prefixed(row: Row, *names: str) -> dict[str, Any]:
    """Parameters of an UPDATE, whose names may not be those of columns."""
    return {f"b_{name}": row[name] for name in names}


def _current(dialect: Dialect, keys: FromClause) -> ClauseElement:  # noqa: ARG001
    table, other = schema.file_versions, schema.file_versions.alias("other")
    newest = (
        select(func.max(other.c.seq))
        .where(other.c.repository_id == keys.c.repository_id, other.c.key == keys.c.key)
        .scalar_subquery()
    )
    return select(table).select_from(keys.join(table, _same_key(table, keys) & (table.c.seq == newest)))


def _null(dialect: Dialect, keys: FromClause) -> ClauseElement:  # noqa: ARG001
    table = schema.file_versions
    return select(table).select_from(keys.join(table, _same_key(table, keys) & table.c.null_version))


def _history(dialect: Dialect, keys: FromClause) -> ClauseElement:  # noqa: ARG001
    table = schema.file_versions
    return select(table).select_from(keys.join(table, _same_key(table, keys)))


def _same_key(table: FromClause, keys: FromClause) -> Any:
    return (table.c.repository_id == keys.c.repository_id) & (table.c.key == keys.c.key)


def _packages(dialect: Dialect, names: FromClause) -> ClauseElement:  # noqa: ARG001
    table = schema.packages
    columns = [column for column in table.columns if column.name not in {"metadata", "labels"}]
    same = (table.c.repository_id == names.c.repository_id) & (table.c.name == names.c.name)
    return select(*columns).select_from(names.join(table, same & table.c.deleted_at.is_(None)))


def _repositories(dialect: Dialect, numbers: FromClause) -> ClauseElement:  # noqa: ARG001
    table, documents = schema.repositories, schema.repository_documents
    default = (documents.c.repository_id == table.c.id) & (documents.c.kind == default_retention.DOCUMENT)
    return select(table, cast(documents.c.document, Text).label("default_retention")).select_from(
        numbers.join(table, table.c.id == numbers.c.id).outerjoin(documents, default)
    )


def _blobs(dialect: Dialect, identities: FromClause) -> ClauseElement:  # noqa: ARG001
    table, where = schema.blobs, schema.blob_locations
    return select(table.c.id, table.c.identity, where.c.store, where.c.storage_key).select_from(
        identities.join(table, table.c.identity == identities.c.id).join(where, where.c.blob_id == table.c.id)
    )


def _uploads(dialect: Dialect, numbers: FromClause) -> ClauseElement:  # noqa: ARG001
    table = schema.uploads
    return select(table).select_from(numbers.join(table, table.c.id == numbers.c.id))


def _holds(dialect: Dialect, targets: FromClause) -> ClauseElement:  # noqa: ARG001
    table = schema.holds

    def on(target: Any) -> Select[Any]:
        return (
            select(table).select_from(targets.join(table, target == targets.c.id)).where(table.c.released_at.is_(None))
        )

    return on(table.c.package_id).union_all(on(table.c.version_id))


def _retention_classes(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return select(schema.retention_classes)


_REPOSITORIES = wanted(_repositories, NUMBERS)
_CURRENT = wanted(_current, KEYS)
_NULL = wanted(_null, KEYS)
_HISTORY = wanted(_history, KEYS)
_PACKAGES = wanted(_packages, NAMES)
_BLOBS = wanted(_blobs, IDS)
_UPLOADS = wanted(_uploads, IDS)
_HOLDS = wanted(_holds, IDS)

_PACKAGE_CHANGES = ("id", "status", "updated_at", "size", "file_count", "retention_class", "expires_at")

_insert_packages = inserting(schema.packages)
_insert_blobs = inserting(schema.blobs, without=("last_verified_at", "quarantined_at"))
_insert_locations = inserting(schema.blob_locations)
_insert_versions = inserting(schema.file_versions)
_insert_parts = inserting(schema.file_version_parts)
_insert_holds = inserting(schema.holds)
_insert_uploads = inserting(schema.uploads)
_insert_audit = inserting(schema.audit_entries, without=("id",))
_insert_events = inserting(schema.events, without=("id",))
_upsert_files = replacing(schema.files)
_upsert_upload_parts = replacing(schema.upload_parts)


def _delete_versions(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return delete(schema.file_versions).where(schema.file_versions.c.id == bindparam("b_id"))


def _refresh_versions(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.file_versions
    return update(table).where(table.c.id == bindparam("b_id")).values(created_at=bindparam("b_created_at"))


def _delete_files(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.files
    return delete(table).where(table.c.repository_id == bindparam("b_repository_id"), table.c.key == bindparam("b_key"))


def _update_packages(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.packages
    changes: dict[str, Any] = {name: bindparam(f"b_{name}") for name in _PACKAGE_CHANGES if name != "id"}
    return update(table).where(table.c.id == bindparam("b_id")).values(changes)


def _delete_packages(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return delete(schema.packages).where(schema.packages.c.id == bindparam("b_id"))


def _complete_uploads(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.uploads
    return (
        update(table)
        .where(table.c.id == bindparam("b_id"))
        .values(completed_version=bindparam("b_completed_version"), completed_at=bindparam("b_completed_at"))
    )


def _delete_uploads(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return delete(schema.uploads).where(schema.uploads.c.id == bindparam("b_id"))


def _delete_upload_parts(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    return delete(schema.upload_parts).where(schema.upload_parts.c.upload_id == bindparam("b_id"))


def _delete_parts(dialect: Dialect) -> ClauseElement:  # noqa: ARG001
    table = schema.file_version_parts
    return delete(table).where(table.c.version_id == bindparam("b_id"))
