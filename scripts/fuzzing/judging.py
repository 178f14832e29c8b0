"""What is wrong with an answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemathesis import Response

from fuzzing.library import Request, faults
from p2pnode.oicp.codec import members_in, members_of
from p2pnode.oicp.status import Code
from p2pnode.peering.face import PROCESS_ID

SLOWEST = 1.0
"""Seconds an answer may take."""
ANSWER_SHOWN = 600
REQUEST_SHOWN = 3000


@dataclass(frozen=True, slots=True)
class Failure:
    """What was wrong with an answer: in short, in detail, and the request that it answered."""

    path: str
    what: str
    detail: str
    request: str


def code_in(answer: Mapping[str, Any]) -> str:
    """The OICP status code of an answer, empty where it has none."""
    return str(members_of(answer.get("StatusCode")).get("Code", ""))


def judge(request: Request, response: Response) -> Iterator[Failure]:
    """Everything that is wrong with the answer to a request."""
    content = response.content[:ANSWER_SHOWN].decode(errors="replace")
    for what, detail in faults(request, response):
        yield _failure(request, f"HTTP {response.status_code}: {what}", f"{detail}\n{content}")
    if code_in(members_in(response.content)) == Code.SYSTEM_ERROR:
        yield _failure(request, "the node's own fault (021)", content)
    if response.elapsed > SLOWEST:
        yield _failure(request, f"more than {SLOWEST:g} s", f"{response.elapsed:.2f} s")
    sent, echoed = request.headers.get("Process-ID"), response.headers.get("process-id")
    if sent is not None and PROCESS_ID.fullmatch(sent) and echoed != [sent]:
        yield _failure(request, "another Process-ID", f"sent {sent!r}, got {echoed}")


def no_answer(request: Request, error: Exception) -> Failure:
    """A request that was not answered."""
    return _failure(request, f"no answer: {type(error).__name__}", str(error))


def _failure(request: Request, what: str, detail: str) -> Failure:
    sent = f"{request.path_parameters} {request.query} {dict(request.headers)} {request.body!r}"
    return Failure(request.path, what, detail, sent[:REQUEST_SHOWN])
