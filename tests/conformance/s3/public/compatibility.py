"""Writes docs/s3-compatibility.md: from the route table, from what is done, and from the last run of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.s3.catalogue import OPERATIONS
from gateway.s3.routes import TABLE
from tests.conformance.s3.public import results

DOCUMENT = Path(__file__).parents[4] / "docs" / "s3-compatibility.md"

_NOTES = """\
## Where one should know more

- **Versions.** Versions of a finalized package's files are as frozen as the files, and a delete marker that hides a
  file from its manifest stays. `NextVersionIdMarker` goes on where it was even if that version was removed meanwhile.
- **Object Lock.** A lock only ever gets longer. GOVERNANCE gives way to `x-amz-bypass-governance-retention` and the
  permission together; COMPLIANCE keeps its mode even when its time is over. The default retention counts from the
  write of each version, by PUT, copy or completed upload, whatever the request says of a legal hold. A file of a
  finalized package reads as COMPLIANCE until its term ends.
- **Legal hold** is the hold named `s3-legal-hold`. ON is answered while any hold keeps the version.
- **Tags** can change on locked and frozen versions, as in S3; each change is in the audit.
- **Conditional deletes.** Deleting what is not there succeeds, also with `If-Match`.
- **ACLs** are disabled: `private` and `bucket-owner-full-control` are accepted, everything else is refused.
- **DeleteBucket** gives up uploads in progress."""


def render() -> str:
    """The document."""
    return "\n".join([*_operations(), *_NOTES.splitlines(), "", *_suite()]) + "\n"


def _operations() -> Iterator[str]:
    routes = {route.operation: route for route in reversed(TABLE)}
    names = sorted(routes)
    done = [name for name in names if name in OPERATIONS or name == "PreflightRequest"]
    refused = [name for name in names if name not in done]
    yield "# What of S3 is there"
    yield ""
    yield "Written by `make conformance` from the server's own table of operations; not edited by hand."
    yield ""
    yield f"Of the {len(names)} operations of S3, {len(done)} are done. Every other one is refused with"
    yield "`501 NotImplemented` and its name in the message, so that no client takes it for done."
    yield ""
    yield "| operation | request | |"
    yield "|---|---|---|"
    for name in names:
        route = routes[name]
        path = {"service": "/", "bucket": "/BUCKET", "object": "/BUCKET/KEY"}[route.target.value]
        query = f"?{route.query}" if route.query else ""
        header = f" with `{route.header}`" if route.header else ""
        yield f"| {name} | `{route.method} {path}{query}`{header} | {'refused' if name in refused else 'done'} |"
    yield ""


def _suite() -> Iterator[str]:
    found = results.read()
    passed = [test for test in results.listed() if found.get(test) == results.PASSED]
    yield "## The public suite"
    yield ""
    yield "`make conformance S3TESTS_DIR=...` runs those tests of [ceph/s3-tests](https://github.com/ceph/s3-tests)"
    yield "that concern a registry and storage gateway, unmodified. `S3_ENDPOINT` and the other variables of"
    yield "`tests/conformance/s3/conftest.py` name another server to run them against."
    yield ""
    if not found:
        yield "They have not been run yet."
        return
    yield f"**{len(passed)} of {len(results.listed())} pass.** Those that do not, and why:"
    yield ""
    open_tests = [test for test in results.listed() if test not in passed]
    for reason, tests in results.differences().items():
        failing = [test for test in open_tests if test.partition("::")[2] in tests]
        if failing:
            yield f"- {reason} ({len(failing)})"
            yield f"  {', '.join(f'`{test}`' for test in failing)}"
            open_tests = [test for test in open_tests if test not in failing]
    if open_tests:
        yield f"- Not explained yet ({len(open_tests)})"
        yield f"  {', '.join(f'`{test}`' for test in open_tests)}"


if __name__ == "__main__":
    DOCUMENT.write_text(render())
