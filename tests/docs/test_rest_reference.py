from __future__ import annotations

from gateway.admin.call import PREFIX
from gateway.admin.contract import Contract
from gateway.admin.problems import CODES
from gateway.admin.reference import markdown
from tests.docs.pages import ROOT


def test_the_page_is_what_the_contract_says_today() -> None:
    assert (ROOT / "docs" / "rest-api.md").read_text() == markdown(), (
        "python -m gateway.admin.reference > docs/rest-api.md"
    )


def test_every_operation_parameter_and_problem_is_on_it() -> None:
    page = markdown()
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    for operation in Contract.load().operations:
        row = rows[f"{operation.method} {PREFIX}{operation.path}"]
        assert all(f"`{one.name}`" in row for one in operation.parameters if one.location != "path")
    assert rows.keys() >= CODES.keys()
