"""What the lab found, as one object: for the exit code, for `--json`, for the closing lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pnode.lab.stage import Step
from p2pnode.lab.timeline import Cells
from p2pnode.oicp.operations import OPERATIONS


@dataclass(frozen=True, slots=True)
class Report:
    """Every step, and what each node has counted. `failure` says why the lab could not be played to its end.

    With `is_whole_table` every node has to have sent and received every operation.
    """

    steps: Sequence[Step]
    cells: Mapping[str, Cells]
    failure: str = ""
    is_whole_table: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """The cells of the table of 48 that no message has touched, in either direction, as sentences."""
        return tuple(
            f"{node} has not {verb} {operation.name}"
            for node, cells in self.cells.items()
            for operation in OPERATIONS
            for verb in ("sent", "received")
            if self.is_whole_table
            if not cells.get(operation.name, {}).get(verb)
        )

    @property
    def ok(self) -> bool:
        """Whether every step came out as expected and all cells are filled that have to be."""
        return not self.failure and bool(self.steps) and all(step.ok for step in self.steps) and not self.missing

    def wire(self) -> dict[str, object]:
        """The report as `--json` writes it: two rows for each message, the sender's and the receiver's."""
        return {
            "steps": [row for step in self.steps for row in _rows(step)],
            "cells": {
                operation.name: {
                    verb: sum(cells.get(operation.name, {}).get(verb, 0) for cells in self.cells.values())
                    for verb in ("sent", "received")
                }
                for operation in OPERATIONS
            },
            "ok": self.ok,
        }


def _rows(step: Step) -> list[dict[str, object]]:
    """The messages of a step; the details of the step stand with the first."""
    rows: list[dict[str, object]] = [
        {
            "operation": row.operation,
            "verb": row.verb,
            "from": row.sender,
            "to": row.receiver,
            "http": row.http,
            "code": row.code,
            "ms": round(row.ms, 2),
            "ok": row.ok,
            "scenario": step.scenario,
            "title": step.title,
            "problems": row.problems,
            "notes": step.notes,
        }
        for row in step.rows
    ]
    if rows and step.details:
        rows[0]["details"] = step.details
    return rows
