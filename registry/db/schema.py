"""Every table of the registry, the same on both engines.

How they hang together:

    accounts ── access_keys
       │
    repositories ── repository_documents
       │
       ├── packages ── package_revisions
       │      │
       ├── files           the current version of each key: what listings read, nothing else does
       ├── file_versions ── file_version_parts
       │      │      the greatest `seq` of a key is its current version, delete markers included
       │    blobs ── blob_locations        what the bytes are; where they are
       └── uploads ── upload_parts

    holds (on a package or a file version)     retention_classes
    audit_entries, events                      appended in the transaction of what they tell
    webhooks ── deliveries                     what is told of the events, to whom
    leases                                     who runs the jobs
    idempotency_keys                           what was answered to requests that may come again

Identifiers are UUIDv7 in hex, so they sort by time; keys and names compare byte by byte.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from registry.db.types import Document, KeyText, Serial, Time

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", KeyText, nullable=False, unique=True),
    Column("administrator", Boolean, nullable=False, default=False),
    Column("created_at", Time, nullable=False),
    Column("disabled_at", Time),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key", KeyText, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("secret", LargeBinary, nullable=False),  # AES-256-GCM under the master key
    Column("description", Text, nullable=False, default=""),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    Column("revoked_at", Time),
    Column("last_used_at", Time),
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("name", KeyText, nullable=False, unique=True),
    Column("owner_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", Time, nullable=False),
    Column("package_depth", Integer, nullable=False, default=1),
    Column("overwrite", Text, nullable=False, default="allow"),
    Column("versioning", Text, nullable=False, default="off"),
    Column("object_lock", Boolean, nullable=False, default=False),
    Column("default_retention_class", Text, ForeignKey("retention_classes.name")),
    Column("auto_finalize_after", Serial),  # seconds
    Column("expire_automatically", Boolean, nullable=False, default=False),
    CheckConstraint("package_depth BETWEEN 0 AND 16", name="package_depth"),
    CheckConstraint("overwrite IN ('allow', 'deny')", name="overwrite"),
    CheckConstraint("versioning IN ('off', 'enabled', 'suspended')", name="versioning"),
    # S3: versioning of a bucket with Object Lock cannot be suspended.
    CheckConstraint("NOT object_lock OR versioning = 'enabled'", name="object_lock_versioning"),
    # What holds, webhooks and events remember by a number must never become another repository's.
    sqlite_autoincrement=True,
)

repository_documents = Table(
    "repository_documents",
    metadata,
    Column("repository_id", Serial, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),  # cors, policy, lifecycle, tagging, notification ...
    Column("document", Document, nullable=False),
    Column("updated_at", Time, nullable=False),
    PrimaryKeyConstraint("repository_id", "kind"),
)

retention_classes = Table(
    "retention_classes",
    metadata,
    Column("name", KeyText, primary_key=True),
    Column("duration", Serial),  # seconds; NULL: for ever
    Column("description", Text, nullable=False, default=""),
    Column("rank", Integer, nullable=False),
    Column("updated_at", Time, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    Column("id", Text, primary_key=True),
    # What makes two blobs the same: the SHA-256, with a suffix where equal bytes must not be shared
    # (encrypted under different keys). A prefix search finds a digest.
    Column("identity", KeyText, nullable=False, unique=True),
    Column("sha256", Text, nullable=False),
    Column("size", Serial, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("last_verified_at", Time),
    Column("quarantined_at", Time),
)

blob_locations = Table(
    "blob_locations",
    metadata,
    Column("blob_id", Text, ForeignKey("blobs.id", ondelete="CASCADE"), nullable=False),
    Column("store", Text, nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    PrimaryKeyConstraint("blob_id", "store"),
    sqlite_with_rowid=False,
)

packages = Table(
    "packages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("repository_id", Serial, ForeignKey("repositories.id"), nullable=False),
    Column("name", KeyText, nullable=False),
    Column("status", Text, nullable=False),
    Column("explicit", Boolean, nullable=False, default=False),
    Column("amending", Boolean, nullable=False, default=False),
    Column("created_at", Time, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("size", Serial, nullable=False, default=0),
    Column("file_count", Serial, nullable=False, default=0),
    Column("revision", Integer, nullable=False, default=0),
    Column("metadata", Document, nullable=False, default=dict),
    Column("labels", Document, nullable=False, default=dict),
    Column("producer", Text),
    Column("retention_class", KeyText, ForeignKey("retention_classes.name"), nullable=False),
    Column("finalized_at", Time),
    Column("expires_at", Time),  # NULL: for ever
    Column("extended_until", Time),  # what was granted by hand; a change of class never goes below it
    Column("deleted_at", Time),
    Column("manifest_sha256", Text),
    CheckConstraint("status IN ('created', 'uploading', 'finalized', 'deleted', 'failed')", name="status"),
    CheckConstraint("file_count >= 0 AND size >= 0", name="counts"),
    # A tombstone keeps its name until it is swept, and does not stand in the way of a new package.
    Index(
        "uq_packages_name",
        "repository_id",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("ix_packages_created", "repository_id", "created_at", "id"),
    Index("ix_packages_status", "repository_id", "status", "updated_at"),
    Index("ix_packages_expires", "expires_at"),
)

package_fields = Table(
    # Scalars of metadata (`run_id`, `counts.pass`) and labels (`labels.team`) by path, so that a search is an
    # index look-up on either engine.
    "package_fields",
    metadata,
    Column("package_id", Text, ForeignKey("packages.id", ondelete="CASCADE"), nullable=False),
    Column("path", KeyText, nullable=False),
    Column("value", KeyText, nullable=False),
    PrimaryKeyConstraint("package_id", "path", "value"),
    Index("ix_package_fields_value", "path", "value", "package_id"),
    sqlite_with_rowid=False,
)

package_revisions = Table(
    "package_revisions",
    metadata,
    Column("package_id", Text, ForeignKey("packages.id", ondelete="CASCADE"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("manifest_blob_id", Text, ForeignKey("blobs.id"), nullable=False),
    Column("previous_sha256", Text),
    Column("size", Serial, nullable=False),
    Column("file_count", Serial, nullable=False),
    Column("finalized_at", Time, nullable=False),
    Column("finalized_by", Text, nullable=False),
    PrimaryKeyConstraint("package_id", "revision"),
)

files = Table(
    "files",
    metadata,
    Column("repository_id", Serial, ForeignKey("repositories.id"), nullable=False),
    Column("key", KeyText, nullable=False),
    Column("size", Serial, nullable=False),
    Column("etag", Text, nullable=False),
    Column("modified_at", Time, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),
    Column("package_id", Text),
    PrimaryKeyConstraint("repository_id", "key"),
    sqlite_with_rowid=False,
)

file_versions = Table(
    "file_versions",
    metadata,
    Column("repository_id", Serial, ForeignKey("repositories.id"), nullable=False),
    Column("key", KeyText, nullable=False),
    Column("seq", Serial, nullable=False),
    Column("id", Text, nullable=False, unique=True),
    Column("null_version", Boolean, nullable=False),
    Column("delete_marker", Boolean, nullable=False, default=False),
    Column("package_id", Text, ForeignKey("packages.id")),
    # The revision of the package that holds this version: frozen as soon as the package has reached it.
    Column("revision", Integer),
    Column("blob_id", Text, ForeignKey("blobs.id")),
    Column("size", Serial, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("etag", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_value", Text),
    Column("checksum_type", Text),
    Column("part_count", Integer),
    Column("attributes", Text, nullable=False),  # JSON of FileAttributes, leaving out what is default
    Column("storage_class", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("lock_mode", Text),
    Column("retain_until", Time),
    PrimaryKeyConstraint("repository_id", "key", "seq"),
    CheckConstraint("delete_marker OR blob_id IS NOT NULL", name="bytes"),
    CheckConstraint("(lock_mode IS NULL) = (retain_until IS NULL)", name="lock"),
)
Index("ix_file_versions_blob_id", file_versions.c.blob_id)
Index(
    "ix_file_versions_package_id",
    file_versions.c.package_id,
    file_versions.c.key,
    sqlite_where=file_versions.c.package_id.is_not(None),
    postgresql_where=file_versions.c.package_id.is_not(None),
)

deleted_file_versions = Table(
    # The files of deleted packages, out of every reader's way, until they are restored or swept.
    "deleted_file_versions",
    metadata,
    *(Column(column.name, column.type, nullable=column.nullable) for column in file_versions.columns),
    Column("deleted_with", Text, ForeignKey("packages.id"), nullable=False, index=True),
    PrimaryKeyConstraint("id"),
)

file_version_parts = Table(
    "file_version_parts",
    metadata,
    # No foreign key: the parts of a deleted package's files wait with them for a restore.
    Column("version_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("offset", Serial, nullable=False),
    Column("size", Serial, nullable=False),
    Column("checksum_value", Text),
    PrimaryKeyConstraint("version_id", "number"),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("repository_id", Serial, ForeignKey("repositories.id"), nullable=False),
    Column("key", KeyText, nullable=False),
    Column("initiated_at", Time, nullable=False),
    Column("initiated_by", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("lock_mode", Text),
    Column("retain_until", Time),
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),
    Column("store", Text, nullable=False),
    Column("store_upload", Text, nullable=False),
    # Set by the completion, so that a client that repeats a Complete whose answer was lost is told the same.
    Column("completed_version", Text),
    Column("completed_at", Time),
    Index("ix_uploads_key", "repository_id", "key", "id"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", Text, ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("size", Serial, nullable=False),
    Column("md5", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_value", Text),
    Column("modified_at", Time, nullable=False),
    PrimaryKeyConstraint("upload_id", "number"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", KeyText, nullable=False),
    # No foreign keys: the history of holds outlives what they were on.
    Column("repository_id", Serial, nullable=False),
    Column("package_id", Text),
    Column("version_id", Text),
    Column("reason", Text, nullable=False),
    Column("case_ref", Text),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", Time, nullable=False),
    Column("released_by", Text),
    Column("released_at", Time),
    Column("release_reason", Text),
    CheckConstraint("(package_id IS NULL) <> (version_id IS NULL)", name="target"),
    Index("ix_holds_package_id", "package_id"),
    Index("ix_holds_version_id", "version_id"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Time, nullable=False),
    Column("actor", Text),
    Column("access_key", Text),
    Column("source_address", Text),
    Column("request_id", Text),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("repository", KeyText),
    Column("resource", KeyText),
    Column("package_id", Text),
    Column("version_id", Text),
    Column("detail", Text),  # JSON
    # Each of these is paid for by every PUT. What has none is found by reading backwards, a stretch at a time.
    Index("ix_audit_entries_package_id", "package_id", "id"),
    Index("ix_audit_entries_repository", "repository", "id"),
    Index("ix_audit_entries_actor", "actor", "id"),
    Index("ix_audit_entries_resource", "resource", "id"),
    Index(
        "ix_audit_entries_refused",
        "outcome",
        "id",
        sqlite_where=text("outcome <> 'done'"),
        postgresql_where=text("outcome <> 'done'"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("id", Serial, primary_key=True),
    # Its place in the feed, given after the commit; NULL until then. See registry/event_log.py.
    Column("place", Serial, unique=True),
    Column("at", Time, nullable=False),
    Column("type", Text, nullable=False),
    Column("repository_id", Serial),
    Column("package_id", Text),
    Column("payload", Text, nullable=False),  # JSON
    Index("ix_events_unplaced", "id", sqlite_where=text("place IS NULL"), postgresql_where=text("place IS NULL")),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Document, nullable=False),  # a list of types; empty: all
    # No foreign key: a webhook is told that its repository was deleted.
    Column("repository_id", Serial),
    Column("repository", KeyText),
    Column("payload", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # AES-256-GCM under the master key
    Column("place", Serial, nullable=False),  # up to where in the feed its deliveries were made
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", Time, nullable=False),
    Column("created_by", Text, nullable=False),
    CheckConstraint("payload IN ('registry', 's3')", name="payload"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("place", Serial),  # the event's; NULL for a test
    Column("event_type", Text, nullable=False),
    Column("package_id", Text),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("next_attempt_at", Time),  # NULL: no more
    Column("response_status", Integer),
    Column("error", Text),
    Column("delivered_at", Time),
    CheckConstraint(
        "status IN ('pending', 'delivering', 'delivered', 'retry_wait', 'dead_letter')",
        name="status",
    ),
    Index("ix_deliveries_webhook_id", "webhook_id", "id"),
    Index("ix_deliveries_created_at", "created_at"),
    Index("ix_deliveries_place", "place"),
    Index(
        "ix_deliveries_open",
        "webhook_id",
        "package_id",
        "place",
        sqlite_where=text("next_attempt_at IS NOT NULL"),
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Time, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key", KeyText, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("claimed_at", Time, nullable=False),
    Column("status", Integer),  # NULL: not answered yet
    Column("headers", Document),
    Column("body", LargeBinary),
    PrimaryKeyConstraint("account_id", "key"),
)
