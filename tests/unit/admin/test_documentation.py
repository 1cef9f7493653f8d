from __future__ import annotations

from html.parser import HTMLParser

from gateway.admin.contract import Contract
from gateway.admin.documentation import page
from gateway.admin.problems import CODES
from tests.unit.admin.rest import Rest

VOID = {"meta", "br", "link", "wbr"}


class Page(HTMLParser):
    """Collects what a page refers to, and refuses tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
        self.attributes |= named.keys()
        self.ids += [found for name, found in named.items() if name == "id" and found]
        self.links |= {found for name, found in named.items() if name in ("href", "src") and found}
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


SHOWN = Page(page(Contract.load()))


def test_every_operation_schema_and_problem_is_shown_once() -> None:
    contract = Contract.load()
    expected = {operation.id for operation in contract.operations}
    expected |= {f"schema-{name}" for name in contract.document["components"]["schemas"]}
    expected |= {f"problem-{code}" for code in CODES}
    assert expected <= set(SHOWN.ids)
    assert len(SHOWN.ids) == len(set(SHOWN.ids))


def test_every_link_stays_here_and_leads_somewhere() -> None:
    assert {link for link in SHOWN.links if not link.startswith("#")} == {"/api/v1/openapi.json"}
    assert {link.removeprefix("#") for link in SHOWN.links if link.startswith("#")} <= set(SHOWN.ids)


def test_nothing_runs_and_nothing_is_loaded() -> None:
    assert not SHOWN.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not any(name.startswith("on") for name in SHOWN.attributes)


async def test_it_is_served_to_anybody(rest: Rest) -> None:
    rest.headers = {}
    answer, html = await rest.send("GET", "/docs")
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert b"<h1>artifact-store</h1>" in html
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    again, nothing = await rest.send("GET", "/docs", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, nothing) == (304, b"")
