"""The fifth check: the JSON snippets in the chapters 06 of the specification's texts, read with our messages."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role
from spec_check.checks import violations_in
from spec_check.deviations import SNIPPETS
from spec_check.documents import generalized
from spec_check.report import Deviation, Difference, Report

CHAPTERS = {role: f"OICP 2.3 {role}/06_{role}_Code_Snippets.asciidoc" for role in (Role.CPO, Role.EMP)}
HEADING = re.compile(r"(==+) +(.*)")
FENCE = "----"
ALIASES = {
    "remotereservationstart": "authorizeremotereservationstart",
    "remotereservationstop": "authorizeremotereservationstop",
    "getchargedetailrecord": "getchargedetailrecords",
}
"""Headings that are not the name of an operation."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One snippet: `title` is the heading above it, `kind` request or answer, `text` its JSON."""

    role: Role
    title: str
    kind: str
    text: str


def snippets(role: Role, chapter: str) -> Iterator[Snippet]:
    """The snippets of a chapter, in its order."""
    title = kind = ""
    lines = iter(chapter.splitlines())
    for line in lines:
        heading = HEADING.fullmatch(line.strip())
        if heading is not None and len(heading[1]) == 2:  # noqa: PLR2004 - the depth of the heading
            title = heading[2].removeprefix("eRoaming")
        elif heading is not None:
            kind = "request" if heading[2].startswith("Request") else "answer"
        elif line.strip() == FENCE:
            text = "\n".join(iter(lambda: next(lines, FENCE).rstrip(), FENCE))
            yield Snippet(role, title, kind, text)


def check_snippets(directory: Path, known: Sequence[Deviation] = SNIPPETS) -> Report:
    """Every snippet reads, keeps the rules, and has no member that our message does not know.

    `directory` holds the directories of both texts. Raises OSError where a chapter cannot be read.
    """
    compared = 0
    found: list[Difference] = []
    for role, name in CHAPTERS.items():
        for snippet in snippets(role, (directory / name).read_text("utf-8")):
            compared += 1
            found.extend(_differences(snippet))
    return Report("snippets", compared, found, known)


def _differences(snippet: Snippet) -> Iterator[Difference]:
    operation = _operation(snippet.title)
    subject = f"{snippet.title}.{snippet.kind}"
    if operation is None:
        yield Difference(snippet.role, subject, "", "row", "there is no operation of this name")
        return
    try:
        members: Mapping[str, Any] = json.loads(snippet.text)
    except ValueError as error:
        yield Difference(snippet.role, subject, "", "json", str(error))
        return
    model = operation.request if snippet.kind == "request" else operation.answer
    seen: set[tuple[str, str]] = set()
    for each in violations_in(model, members):
        place = (generalized(each.pointer.split("/")[1:]), each.code)
        if place not in seen:
            seen.add(place)
            yield Difference(snippet.role, subject, *place, each.message)


def _operation(title: str) -> AnyOperation | None:
    name = title.casefold()
    name = ALIASES.get(name, name)
    return next((row for row in OPERATIONS if row.name.casefold() == name), None)
