"""The command line: `p2pnode`. Data goes to stdout, talk to stderr.

Errors are one `error:` line, one `hint:` line and an exit code: 1 failed, 2 wrong usage, 3 a partner said no,
130 interrupted.
"""

import os
import sys
from contextlib import suppress

import click

from p2pnode import __version__
from p2pnode.cli.group import LazyGroup
from p2pnode.web.problem import Problem

INTERRUPTED = 130
BROKEN_PIPE = 141
"""The exit code of a process whose reader has gone, as shells have it."""

COMMANDS = {
    "init": (
        "p2pnode.cli.init:init",
        "Make DIRECTORY for a new node: configuration, identity, empty peer table.",
    ),
    "run": ("p2pnode.cli.serve:run", "Run the node in DIRECTORY until it is told to stop."),
    "lab": (
        "p2pnode.cli.lab:lab",
        "Run two nodes on this machine and let them roam with each other, or with --network any number.",
    ),
    "status": ("p2pnode.cli.status:status", "Show a running node, its peers and what it has exchanged with them."),
    "call": ("p2pnode.cli.call:call", "Let the running node send one OICP message to a peer, and print the answer."),
    "route": ("p2pnode.cli.route:route", "Tell to whom the node would send a message, and why."),
    "operations": ("p2pnode.cli.operations:operations", "List the 24 operations of OICP 2.3."),
    "validate": ("p2pnode.cli.validate:validate", "Tell everything that is wrong with the message in FILE, and where."),
    "id": ("p2pnode.cli.identifier:identifier", "Explain the identifier VALUE in every way it can be read."),
    "errata": ("p2pnode.cli.errata:errata", "List where the documents of OICP 2.3 contradict each other."),
    "evse": ("p2pnode.cli.evse:evse", "Charging points: import them from a file, show or publish the status of one."),
    "sessions": (
        "p2pnode.cli.sessions:sessions",
        "List a running node's sessions, or show one with its history.",
    ),
    "cdr": (
        "p2pnode.cli.cdr:cdr",
        "Charge detail records: list and show them, compare them with a peer, review those that were refused.",
    ),
    "store": (
        "p2pnode.cli.store:store",
        "What a node remembers: back it up while it runs, restore it, check it.",
    ),
    "outbox": ("p2pnode.cli.outbox:outbox", "Messages that wait for a peer: list, show, requeue, drop."),
    "peer": ("p2pnode.cli.peer:peer", "The peer table, and the way into it: add, accept, check, remove."),
    "receipt": ("p2pnode.cli.receipt:receipt", "Receipts: show, check and hand out what a peer has signed."),
    "audit": (
        "p2pnode.cli.audit:audit",
        "The audit log: show it, and check that nothing in it was changed.",
    ),
    "pki": ("p2pnode.cli.pki:pki", "Keys and certificates: a lab CA, issue, renew, show, check."),
    "reload": ("p2pnode.cli.reload:reload", "Let a running node read its peer table and certificates again."),
}

root = LazyGroup(
    name="p2pnode",
    lazy=COMMANDS,
    help="EV roaming over OICP 2.3 between peers, without a hub.",
    epilog="Begin with `p2pnode lab`. `p2pnode COMMAND --help` shows an example of each command.",
)
root = click.version_option(__version__, prog_name="p2pnode", message="%(prog)s %(version)s")(root)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        outcome: object = root.main(arguments, prog_name="p2pnode", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except (click.ClickException, click.Abort, KeyboardInterrupt, Problem) as error:
        return _tell(_problem(error))
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    return outcome if isinstance(outcome, int) else 0


def _problem(error: BaseException) -> Problem:
    """What a person is told of it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "p2pnode"
        return Problem(error.format_message(), f"see `{path} --help`", exit_code=error.exit_code)
    if isinstance(error, click.ClickException):
        return Problem(error.format_message(), exit_code=error.exit_code)
    return Problem("interrupted", exit_code=INTERRUPTED)


def _forget_stdout() -> None:
    """Whoever read our data has gone: let nothing more be written to them, not even at the end of the process."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(problem: Problem) -> int:
    click.echo(f"error: {problem.message}", err=True)
    if problem.hint:
        click.echo(f"hint: {problem.hint}", err=True)
    return problem.exit_code
