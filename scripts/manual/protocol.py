"""The pages about the protocol: operations, status codes, errata, sessions."""

from manual.markdown import code, first_line, table
from p2pnode.oicp.dialects import FROM_SESSION, RULES
from p2pnode.oicp.errata import ERRATA
from p2pnode.oicp.errors import BadStatus, NoAnswer, PeerError, Refused, Unreachable, Unreadable
from p2pnode.oicp.mends import MEANING
from p2pnode.oicp.operations import BASE_PATH, MEBIBYTE, OPERATIONS, AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionState
from p2pnode.roaming.sessions import TRANSITIONS


def operations_page() -> str:
    """operations.md: the operation table."""

    def paths(row: AnyOperation) -> str:
        return "<br>".join(code(path) for path in row.paths)

    where = table(
        ("operation", "what it does", "caller → callee", "path"),
        ((row.name, row.title, f"{row.caller} → {row.callee}", paths(row)) for row in OPERATIONS),
    )
    how = table(
        ("operation", "request", "answer", "delivery", "paged", "repeatable", "body up to", "answer within"),
        (
            (
                row.name,
                code(row.request.__name__),
                code(row.answer.__name__),
                row.delivery.value,
                "yes" if row.paged else "",
                "yes" if row.repeatable else "no",
                f"{row.body_limit // MEBIBYTE} MiB",
                f"{row.deadline:g} s",
            )
            for row in OPERATIONS
        ),
    )
    return f"""# Operations

The {len(OPERATIONS)} operations of OICP 2.3. Each is a `POST` of JSON in UTF-8 to a path below `{BASE_PATH}`.
`{{operatorID}}` and `{{providerID}}` are always the caller's own id. Where a row has several paths the first is the
official one; all are served. Where several rows have the same path the body tells which is meant.

## Where each is sent

{where}

## How each is treated

*interactive*: answered at once, never queued. *latest*: queued until it arrives, but only the newest state of each
record is sent. *every one*: queued until it arrives. *repeatable*: processing it twice changes nothing.

{how}
"""


def status_codes_page() -> str:
    """status-codes.md: the status codes of the specification, and what a failed call to a peer turns into."""
    kinds: tuple[type[PeerError], ...] = (Unreachable, NoAnswer, Refused, BadStatus, Unreadable)
    codes = table(("code", "text"), ((code(each.value), each.description) for each in Code))
    calls = table(
        ("what happened", "meaning", "code", "repeating can help"),
        (
            (
                code(kind.__name__),
                first_line(kind),
                "the peer's own" if kind is Refused else code(kind.code.value),
                "yes" if kind.repeatable else "no",
            )
            for kind in kinds
        ),
    )
    return f"""# Status codes

Whatever reaches the protocol is answered with HTTP 200 and one of these codes; what does not (no JSON, unknown path,
too large) with an HTTP error and one of them in the body.

{codes}

## When a call to a peer fails

{calls}
"""


def errata_page() -> str:
    """errata.md: the contradictions of the specification."""
    rows = (
        (each.id, code(each.where), ", ".join(code(form) for form in each.forms), each.written, each.source, each.note)
        for each in ERRATA
    )
    contradictions = table(("id", "where", "forms that are read", "what is written", "who has which", "note"), rows)
    dialects = table(
        ("written to", "in", "at", "what", "why"),
        (
            (
                " and ".join(code(dialect) for dialect in rule.dialects),
                ", ".join(f"{row.name} {rule.side}" for row in rule.operations),
                code("/".join(rule.path)) if rule.path else "",
                rule.change.told,
                rule.why,
            )
            for rule in RULES
        ),
    )
    mends = table(("name", "what has been mended"), ((code(kind), meaning) for kind, meaning in MEANING.items()))
    demanded = ", ".join(
        f"{' and '.join(code(name) for name in members)} in {row.name}" for (_, row), members in FROM_SESSION.items()
    )
    return f"""# Errata

OICP 2.3 is four documents, a text and an OpenAPI description for each role, and they contradict each other. Every form
is read; one is written, unless the dialect of a peer asks for another.

{contradictions}

## Records that are not quite right

What a sender means is read where it is plain, and told as a warning under one of these names (`p2pnode validate`,
`p2pnode evse import`). Nothing is invented.

{mends}

## Dialects

`dialect` in the peer table says how a peer is written to. `oicp` is what the table above says. What comes in is read in
every form from everybody. This is all that is written otherwise to `hubject` and to `wwcp`; `at` is the way to the
object inside the message, through every list:

{dialects}

To `wwcp` besides: an operation with several paths is called at its second one; a message that is not valid is refused
with HTTP 200, since it sends again what is answered with anything else; and taken from the session, where our own
system left it out: {demanded}. Where prices for all and prices for that provider are both published to a `wwcp` peer,
they come to it as two sets for the same provider, and the later full load counts.
"""


def sessions_page() -> str:
    """sessions.md: the states of a session."""

    def events(of: SessionState | None, to: SessionState) -> str:
        return ", ".join(event for (state, event), following in TRANSITIONS.items() if (state, following) == (of, to))

    moves = dict.fromkeys((state, following) for (state, _), following in TRANSITIONS.items())
    arrows = "\n".join(
        f"    {state or '[*]'} --> {following}: {events(state, following)}"
        for state, following in moves
        if state is not following
    )
    staying = table(
        ("state", "what leaves a session in it"),
        ((state.value, events(state, state)) for state in SessionState if (state, state) in moves),
    )
    return f"""# Sessions

The states of a session and what moves it. What is neither in the diagram nor in the table below it is refused with 400.

```mermaid
stateDiagram-v2
{arrows}
```

{staying}
"""
