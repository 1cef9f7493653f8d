"""Every operation of the contract, by its operationId."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from gateway.admin import (
    accounts,
    audit,
    events,
    holds,
    package_files,
    packages,
    reports,
    repositories,
    retention,
    storage,
    uploads,
)
from gateway.admin.call import Call

Handler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]

OPERATIONS: Mapping[str, Handler] = {
    "whoAmI": accounts.who_am_i,
    "listRepositories": repositories.list_all,
    "createRepository": repositories.create,
    "getRepository": repositories.get,
    "updateRepository": repositories.update,
    "deleteRepository": repositories.delete,
    "listUploads": uploads.list_all,
    "abortUpload": uploads.abort,
    "listPackages": packages.list_all,
    "createPackage": packages.create,
    "getPackage": packages.get,
    "updatePackage": packages.update,
    "deletePackage": packages.delete,
    "finalizePackage": packages.finalize,
    "amendPackage": packages.amend,
    "restorePackage": packages.restore,
    "listRevisions": packages.list_revisions,
    "getManifest": packages.get_manifest,
    "getSums": packages.get_sums,
    "getHistory": packages.get_history,
    "listFiles": package_files.list_all,
    "getFile": package_files.get,
    "putFile": package_files.put,
    "deleteFile": package_files.delete,
    "getRetention": retention.get,
    "extendRetention": retention.extend,
    "changeRetentionClass": retention.change_class,
    "listRetentionClasses": retention.list_classes,
    "updateRetentionClass": retention.update_class,
    "listHolds": holds.list_all,
    "placeHold": holds.place,
    "releaseHold": holds.release,
    "getEligibility": reports.get_eligibility,
    "reportEligibility": reports.report_eligibility,
    "planDeletion": reports.plan_deletion,
    "listAudit": audit.list_all,
    "exportAudit": audit.export,
    "listEvents": events.list_all,
    "listWebhooks": events.list_webhooks,
    "createWebhook": events.create_webhook,
    "getWebhook": events.get_webhook,
    "deleteWebhook": events.delete_webhook,
    "testWebhook": events.test_webhook,
    "listDeliveries": events.list_deliveries,
    "retryDelivery": events.retry_delivery,
    "getStorageHealth": storage.get_health,
    "getStorageUsage": storage.get_usage,
}
"""But for getOpenAPI, which the face answers itself: it needs neither a caller nor the registry."""
