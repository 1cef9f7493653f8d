"""The reference of the command, made from the command itself: `python -m gateway.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import click

from gateway.cli import main

SERVER_OPTIONS = frozenset({"url", "s3_url", "region", "credentials", "ca_bundle"})
"""Those of every command that talks to a server; they are explained once."""

_HEAD = """\
# Command reference

Made by `python -m gateway.cli.reference`; every command says the same with `--help`.

## Exit codes

| code | meaning |
|---|---|
| 0 | Done. For `verify`: the copy is true. For `retention eligible PACKAGE`: it may be deleted. |
| 1 | Refused, with every reason, or different: something protects it, it does not exist, files differ. |
| 2 | Wrong usage or settings: an option is missing or malformed, there are no keys, a name cannot be one. |
| 3 | Unavailable: the server, database, store or port does not answer, or the keys are not accepted. |

Whatever fails says why on standard error, and what was asked for is alone on standard output. `--json` is for
programs; [completion](configuration.md#shell-completion) is there for bash, zsh and fish.

## Where the server is

The commands that talk to a server take the keys from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and the rest from
these options or variables. A secret has no option: every user of a machine can read its command lines.

"""


def markdown() -> str:
    """The whole page."""
    contexts = list(commands())
    server = next(context for context in contexts if _talks_to_a_server(context))
    shared = [option for option in server.command.params if option.name in SERVER_OPTIONS]
    return f"{_HEAD}{_table(server, shared)}" + "".join(_section(context) for context in contexts)


def commands() -> Iterator[click.Context]:
    """Every command that can be called, groups left out, in the order of the help."""
    root = click.Context(main, info_name="artifact-store", **main.context_settings)
    pending = [root]
    while pending:
        context = pending.pop()
        command = context.command
        if not isinstance(command, click.Group):
            yield context
            continue
        names = reversed(command.list_commands(context))
        found = ((name, command.get_command(context, name)) for name in names)
        pending += [click.Context(one, info_name=name, parent=context) for name, one in found if one is not None]


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    section = f"\n## {context.command_path}\n\n```text\n{usage}\n```\n\n{text}\n"
    shared = SERVER_OPTIONS if _talks_to_a_server(context) else frozenset()
    own = [option for option in command.params if option.name not in shared]
    if any(option.get_help_record(context) for option in own):
        section += f"\n{_table(context, own)}"
    if shared:
        section += "\nAnd [where the server is](#where-the-server-is).\n"
    return section


def _talks_to_a_server(context: click.Context) -> bool:
    return {option.name for option in context.command.params} >= SERVER_OPTIONS


def _table(context: click.Context, options: Iterable[click.Parameter]) -> str:
    rows = [record for option in options if (record := option.get_help_record(context)) and record[1]]
    return "| option | meaning |\n|---|---|\n" + "".join(
        f"| `{_cell(names)}` | {_cell(meaning)} |\n" for names, meaning in rows
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
