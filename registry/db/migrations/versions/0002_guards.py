"""Guards

What must never happen, refused by the database itself, whatever the code above it believes.

A condition is written once, in the SQL that both engines share. `when` is what a trigger can decide from the row
alone, so that ordinary traffic pays next to nothing; `which` looks at other rows, and is asked only then.
A later revision that lets Alembic copy one of these tables (SQLite alters them so) has to make its triggers anew.
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class Guard(NamedTuple):
    """A change to the rows of a table that is refused: `event` (SQL), where both conditions hold."""

    name: str
    table: str
    event: str
    message: str
    when: str = "TRUE"
    which: str = "TRUE"


def _changed(*columns: str) -> str:
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


_FROZEN = (
    "EXISTS (SELECT 1 FROM packages WHERE packages.id = OLD.package_id AND packages.status = 'finalized'"
    " AND OLD.revision <= packages.revision)"
)
_HELD = (
    "EXISTS (SELECT 1 FROM holds WHERE holds.version_id = OLD.id AND holds.released_at IS NULL)"
    " OR EXISTS (SELECT 1 FROM holds WHERE holds.package_id = OLD.package_id AND holds.released_at IS NULL)"
)
_NEXT = {
    # A package without a file of its own yet may be finalized in the transaction that gives it one.
    "created": ("uploading", "finalized", "failed", "deleted"),
    "uploading": ("finalized", "failed", "deleted"),
    "failed": ("uploading", "deleted"),
    "finalized": ("deleted",),
}
_MAY_FOLLOW = " OR ".join(
    [
        *(
            f"(OLD.status = '{status}' AND NEW.status IN ({', '.join(repr(one) for one in following)}))"
            for status, following in _NEXT.items()
        ),
        # Restored: as what it was.
        "(OLD.status = 'deleted' AND NEW.status = CASE WHEN OLD.revision > 0 THEN 'finalized' ELSE 'uploading' END)",
    ]
)
_BYTES = ("repository_id", "key", "seq", "id", "delete_marker", "blob_id", "size", "sha256", "etag")
_TARGET = ("id", "name", "repository_id", "package_id", "version_id", "reason", "case_ref", "placed_by", "placed_at")

GUARDS = (
    Guard("audit_entries_kept", "audit_entries", "DELETE", "audit entries are never deleted"),
    Guard("audit_entries_unchanged", "audit_entries", "UPDATE", "audit entries never change"),
    Guard("holds_kept", "holds", "DELETE", "holds are released, never deleted"),
    Guard(
        "holds_released",
        "holds",
        "UPDATE",
        "a released hold never changes",
        when="OLD.released_at IS NOT NULL",
    ),
    Guard(
        "holds_target",
        "holds",
        f"UPDATE OF {', '.join(_TARGET)}",
        "a hold is released; what it says and what it is on never change",
        when=_changed(*_TARGET),
    ),
    Guard(
        "packages_kept",
        "packages",
        "DELETE",
        "a finalized package is deleted by its status, never by its row",
        when="OLD.status = 'finalized'",
    ),
    Guard(
        "packages_expiry",
        "packages",
        "UPDATE OF expires_at",
        "the retention of a finalized package never gets shorter",
        when="OLD.revision > 0 AND NEW.expires_at IS NOT NULL"
        " AND (OLD.expires_at IS NULL OR NEW.expires_at < OLD.expires_at)",
    ),
    Guard(
        "packages_revision",
        "packages",
        "UPDATE OF revision",
        "the revision of a package never goes back",
        when="NEW.revision < OLD.revision",
    ),
    Guard(
        "packages_status",
        "packages",
        "UPDATE OF status",
        "the status of a package cannot become that",
        when=f"NEW.status <> OLD.status AND NOT ({_MAY_FOLLOW})",
    ),
    Guard(
        "file_versions_frozen",
        "file_versions",
        "DELETE",
        "files of a finalized package are never removed",
        when="OLD.revision IS NOT NULL AND OLD.package_id IS NOT NULL",
        which=_FROZEN,
    ),
    Guard(
        "file_versions_held",
        "file_versions",
        "DELETE",
        "what a hold is on is never removed",
        when="NOT OLD.delete_marker",
        which=_HELD,
    ),
    Guard(
        "file_versions_bytes",
        "file_versions",
        f"UPDATE OF {', '.join(_BYTES)}",
        "a file version never changes its bytes or its name",
        when=_changed(*_BYTES),
    ),
    Guard(
        "file_versions_place",
        "file_versions",
        "UPDATE OF package_id, revision",
        "files of a finalized package stay in it",
        when=f"OLD.revision IS NOT NULL AND OLD.package_id IS NOT NULL AND ({_changed('package_id', 'revision')})",
        which=_FROZEN,
    ),
    Guard(
        "file_versions_compliance",
        "file_versions",
        "UPDATE OF lock_mode, retain_until",
        "object lock in COMPLIANCE mode never gets shorter and keeps its mode",
        when="OLD.lock_mode = 'COMPLIANCE'"
        " AND (NEW.lock_mode IS DISTINCT FROM OLD.lock_mode OR NEW.retain_until < OLD.retain_until)",
    ),
)


def upgrade() -> None:
    make = _postgresql if op.get_bind().dialect.name == "postgresql" else _sqlite
    for guard in GUARDS:
        make(guard)
    if op.get_bind().dialect.name == "postgresql":
        for table in ("audit_entries", "holds"):
            op.execute(
                f"CREATE TRIGGER guard_{table}_whole BEFORE TRUNCATE ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION guard_{table}_kept()"
            )


def _sqlite(guard: Guard) -> None:
    op.execute(
        f"CREATE TRIGGER guard_{guard.name} BEFORE {guard.event} ON {guard.table}"
        f" WHEN ({guard.when}) AND ({guard.which})"
        f" BEGIN SELECT RAISE(ABORT, '{guard.message}'); END"
    )


def _postgresql(guard: Guard) -> None:
    goes_on = "OLD" if guard.event == "DELETE" else "NEW"
    op.execute(
        f"CREATE FUNCTION guard_{guard.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {guard.which} THEN RAISE EXCEPTION '{guard.message}' USING ERRCODE = 'check_violation'; END IF;"
        f" RETURN {goes_on}; END $$"
    )
    op.execute(
        f"CREATE TRIGGER guard_{guard.name} BEFORE {guard.event} ON {guard.table}"
        f" FOR EACH ROW WHEN ({guard.when}) EXECUTE FUNCTION guard_{guard.name}()"
    )
