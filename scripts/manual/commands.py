"""The page about the command line, from the commands themselves."""

from collections.abc import Iterator

import click

from p2pnode.cli import root

WIDTH = 100


def commands_page() -> str:
    """cli.md: the help of every command."""
    sections = "\n".join(_sections(root, click.Context(root, info_name="p2pnode", terminal_width=WIDTH)))
    return f"""# Command line

Data goes to stdout, everything else to stderr. Errors are one `error:` line, mostly with one `hint:` line.

{sections}"""


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """The command's help, then that of the commands below it."""
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None and not below.hidden:
            yield from _sections(below, click.Context(below, info_name=name, parent=context, terminal_width=WIDTH))
