from __future__ import annotations

import click

from gateway.cli.reference import SERVER_OPTIONS, commands, markdown
from tests.docs.pages import ROOT


def test_the_page_is_what_the_command_says_today() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == markdown(), "python -m gateway.cli.reference > docs/cli.md"


def test_every_command_and_every_option_is_on_it() -> None:
    sections = dict(section.split("\n", 1) for section in markdown().split("\n## ")[1:])
    found = list(commands())
    assert {context.command_path for context in found} <= sections.keys()
    for context in found:
        for option in context.command.params:
            if isinstance(option, click.Option):
                shared = option.name in SERVER_OPTIONS and "server is](" in sections[context.command_path]
                section = sections["Where the server is" if shared else context.command_path]
                assert f"`{option.opts[0]}" in section, f"{context.command_path} {option.opts[0]}"
                assert option.help, f"{context.command_path} {option.opts[0]} has no help"
