"""docs/s3-compatibility.md says what the tables say."""

from __future__ import annotations

from tests.conformance.s3.public import compatibility, results


def test_the_document_is_what_the_tables_say() -> None:
    assert compatibility.DOCUMENT.read_text() == compatibility.render()


def test_every_failing_test_is_explained() -> None:
    assert "Not explained yet" not in compatibility.render()


def test_only_listed_tests_are_explained() -> None:
    names = {test.partition("::")[2] for test in results.listed()}
    explained = [test for tests in results.differences().values() for test in tests]
    assert set(explained) <= names
    assert len(explained) == len(set(explained))
