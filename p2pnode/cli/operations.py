"""`p2pnode operations`: the operation table."""

import click

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import show_json, show_table
from p2pnode.oicp.operations import OPERATIONS, AnyOperation


@click.command(epilog=example("p2pnode operations", "p2pnode operations --json"))
@json_option
def operations(*, as_json: bool) -> None:
    """List the 24 operations of OICP 2.3."""
    if as_json:
        show_json([_row(operation) for operation in OPERATIONS])
        return
    show_table(
        ("operation", "caller", "callee", "delivery", "title"),
        [
            (operation.name, operation.caller, operation.callee, operation.delivery, operation.title)
            for operation in OPERATIONS
        ],
    )


def _row(operation: AnyOperation) -> dict[str, object]:
    return {
        "name": operation.name,
        "title": operation.title,
        "caller": operation.caller,
        "callee": operation.callee,
        "paths": operation.paths,
        "delivery": operation.delivery,
        "paged": operation.paged,
        "repeatable": operation.repeatable,
    }
