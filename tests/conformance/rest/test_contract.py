"""The contract held against the server by schemathesis: requests made from it, good and bad, and every answer checked.

Deterministic and bounded: so many requests for each operation, the same ones each time.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, CheckFunction
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from gateway.admin.contract import Contract
from tests.conformance.rest.conftest import account
from tests.conformance.rest.rest import PREFIX, Rest
from tests.services.server import Server

EXAMPLES = 16

CONTRACT = Contract.load()
PUBLISHED = schemathesis.openapi.from_dict(dict(CONTRACT.document))


@pytest.fixture(scope="module")
def caller(server: Server) -> Rest:
    """An account that changes nobody else's things: no retention class, and no webhook of all repositories."""
    return account(server, "rest-contract")


@pytest.fixture(scope="module")
def known(caller: Rest) -> Mapping[str, str]:
    """Path parameters that name something."""
    caller.call("POST", "/repositories", status=201, content={"name": "rest-contract"})
    wanted = {"repository": "rest-contract", "name": "run-1", "metadata": {"run_id": "r-1"}}
    package_id = caller.call("POST", "/packages", status=201, content=wanted)["id"]
    caller.call("PUT", f"/packages/{package_id}/files/a/b.txt", status=201, body=b"data")
    hold = {"package_id": package_id, "name": "kept", "reason": "for these tests"}
    webhook = {"url": "http://127.0.0.1:9/", "repository": "rest-contract"}
    return {
        "repository": "rest-contract",
        "package_id": package_id,
        "path": "a/b.txt",
        "hold_id": caller.call("POST", "/holds", status=201, content=hold)["id"],
        "webhook_id": caller.call("POST", "/webhooks", status=201, content=webhook)["id"],
    }


def test_the_server_publishes_the_contract(rest: Rest) -> None:
    assert rest.contract.document == CONTRACT.document


@PUBLISHED.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_the_server_keeps_the_contract(case: Case, caller: Rest, root: Rest, known: Mapping[str, str]) -> None:
    # What the contract allows may still be refused for what there is, and what is refused is documented.
    excluded: list[CheckFunction] = [positive_data_acceptance]
    if len(str(case.query)) % 2 == 0:
        # About something that is there; what was wrong with the request may thereby be mended.
        case.path_parameters |= {name: value for name, value in known.items() if name in case.path_parameters}
        excluded.append(negative_data_rejection)
    case.call_and_validate(
        base_url=root.url + PREFIX,
        headers={"Authorization": (root if case.method == "GET" else caller).authorization},
        excluded_checks=excluded,
    )
