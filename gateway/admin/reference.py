"""The reference of the REST API, made from its contract: `python -m gateway.admin.reference > docs/rest-api.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.admin.call import PREFIX
from gateway.admin.contract import METHODS, Contract
from gateway.admin.problems import CODES

_HEAD = """\
# REST API

Made by `python -m gateway.admin.reference`. A running server shows all of it, with every field, at `/docs`, and gives
programs the same as OpenAPI 3.1 at `/api/v1/openapi.json`: requests are checked by that very document.

"""

_WALK = """\
## A package by REST alone

```sh
. data/root-credentials
api=http://127.0.0.1:9001/api/v1
call() { curl --fail --silent --show-error --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"; }
json() { call --header 'Content-Type: application/json' "$@"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

json "$api/repositories" --data '{"name": "rest-evidence"}'
package=$(json "$api/packages" --header 'Idempotency-Key: run-7' \\
  --data '{"repository": "rest-evidence", "name": "run-7", "metadata": {"run_id": "r-7"}}' | field id)
echo passed > report.txt
call "$api/packages/$package/files/report.txt" --header 'Content-Type: text/plain' --upload-file report.txt
call --request POST "$api/packages/$package/finalize"
```

The manifest's SHA-256 is the digest of the package:

```sh
digest=$(call "$api/packages/$package" | field manifest_sha256)
call "$api/packages/$package/manifest" | sha256sum | grep "$digest"
```

Keep it longer, hold it, and see why it may not be deleted:

```sh
json "$api/packages/$package/retention/extend" --data '{"duration": "P90D", "reason": "audit"}'
json "$api/holds" --data "{\\"package_id\\": \\"$package\\", \\"name\\": \\"case-7\\", \\"reason\\": \\"litigation\\"}"
call "$api/packages/$package/eligibility"
! call --request DELETE "$api/packages/$package?reason=space"
call "$api/packages/$package/history?limit=2"
```

"""


def markdown() -> str:
    """The whole page."""
    contract = Contract.load()
    return _HEAD + "".join(_sections(contract))


def _sections(contract: Contract) -> Iterator[str]:
    document = contract.document
    yield f"{document['info']['description'].strip()}\n\n{_WALK}"
    for tag in document["tags"]:
        yield f"## {tag['name'].capitalize()}\n\n{tag['description']}\n\n"
        yield "| request | what it does | parameters |\n|---|---|---|\n"
        for path, item in document["paths"].items():
            for method in METHODS:
                if method in item and item[method]["tags"][0] == tag["name"]:
                    yield _row(contract, path, method, item)
        yield "\n"
    yield "## Problems\n\nThe values of `code`, each with its HTTP status.\n\n"
    yield "| code | status | meaning |\n|---|---|---|\n"
    for code, (status, title) in CODES.items():
        yield f"| `{code}` | {status} | {title} |\n"


def _row(contract: Contract, path: str, method: str, item: Mapping[str, Any]) -> str:
    node = item[method]
    parameters = map(contract.resolve, [*item.get("parameters", ()), *node.get("parameters", ())])
    named = ", ".join(f"`{one['name']}`" for one in parameters if one["in"] != "path")
    bodies = contract.resolve(node.get("requestBody", {})).get("content", {})
    schemas = {media["schema"]["$ref"].rpartition("/")[2] for media in bodies.values() if "$ref" in media["schema"]}
    body = "".join(f"; body {name}" for name in sorted(schemas))
    text = re.sub(r"\s+", " ", f"{node['summary']}{body}").replace("|", "\\|")
    return f"| `{method.upper()} {PREFIX}{path}` | {text} | {named} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
