"""The lab as a person follows it: one line for each message, and a table at the end."""

import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from p2pnode.lab.stage import Row, Step
from p2pnode.oicp.operations import OPERATIONS

Cells = Mapping[str, Mapping[str, int]]

WIDE = 200
OPERATION_WIDTH = max(len(operation.name) for operation in OPERATIONS)


class Timeline:
    """Writes the steps as they come; plain text where the console is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, sentence: str, style: str = "") -> None:
        """One line of talk."""
        self._console.print(Text(sentence, style=style))

    def scenario(self, title: str) -> None:
        """The heading of a scenario."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def step(self, step: Step) -> None:
        """The messages of a step, a line for each; what was expected and what came where they differ."""
        title = step.title
        for row in step.rows:
            if row.verb == "send":
                self._console.print(self._line(step, row, title))
                title = ""
        for note in step.notes:
            self._console.print(Text(f"{'':9}  {note}", style="dim"))
        for row in step.rows:
            for problem in row.problems:
                self._console.print(Text(f"{'':9}  {row.operation} ({row.verb}): {problem}", style="red"))

    def _line(self, step: Step, row: Row, title: str) -> Text:
        mark, style = ("ok", "green") if row.ok and (step.ok or title == "") else ("FAILED", "bold red")
        return Text.assemble(
            (f"{step.at:7.2f} s  ", "dim"),
            (f"{mark:<6}  ", style),
            f"{row.sender:>6} → {row.receiver:<6}  ",
            (f"{row.operation:<{OPERATION_WIDTH}}  ", "cyan"),
            f"{row.code or '-':<3}  ",
            (f"{row.ms:6.1f} ms", "dim"),
            f"   {title}" if title else "",
        )


def closing_table(first: str, second: str, cells: Mapping[str, Cells], steps: Sequence[Step]) -> Table:
    """How often each operation crossed in each direction, as both nodes counted it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation")
    for column in (f"{first} → {second}", f"{second} → {first}", "median", "failed"):
        table.add_column(column, justify="right")
    rows = [row for step in steps for row in step.rows if row.verb == "send"]
    for operation in OPERATIONS:
        own = [row for row in rows if row.operation == operation.name]
        failed = sum(not row.ok for row in own)
        there = _counts(cells, first, second, operation.name)
        back = _counts(cells, second, first, operation.name)
        median = f"{statistics.median(row.ms for row in own):.1f} ms" if own else "-"
        table.add_row(operation.name, there, back, median, str(failed or ""), style="red" if failed else "")
    return table


def table_of_nodes(cells: Mapping[str, Cells]) -> Table:
    """How often each node of a network has sent and received each operation that crossed."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation, sent/received")
    for name in cells:
        table.add_column(name, justify="right")
    for operation in OPERATIONS:
        counted = [found.get(operation.name, {}) for found in cells.values()]
        if any(count.get("sent") or count.get("received") for count in counted):
            told = (f"{count.get('sent', 0)}/{count.get('received', 0)}" for count in counted)
            table.add_row(operation.name, *told)
    return table


def _counts(cells: Mapping[str, Cells], sender: str, receiver: str, operation: str) -> str:
    """How often it was sent; with what was received where the two differ."""
    sent = cells.get(sender, {}).get(operation, {}).get("sent", 0)
    received = cells.get(receiver, {}).get(operation, {}).get("received", 0)
    return str(sent) if sent == received else f"{sent} (received {received})"
