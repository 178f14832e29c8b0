"""The client of a node's admin face, for the command line and the lab."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import msgspec

from p2pnode.config import ConfigError, load_node
from p2pnode.oicp.codec import decode, encode, members_of
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.peering.line import WrongPeerError
from p2pnode.peering.trust import TrustError
from p2pnode.web.encryption import ClientTls, FaceTls
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import find_running

TIMEOUT = 120.0

Query = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a message sent through a node: HTTP status, decoded answer, OICP code, duration in ms."""

    http: int
    answer: Mapping[str, Any]
    code: str
    ms: float


class AdminRefused(Problem):
    """The admin face said no; `status` is the HTTP status of its answer, `code` the OICP code where there is one."""

    def __init__(self, status: int, message: str, hint: str, code: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code


class AdminClient:
    """Talks to the admin face of one running node. Every failure is a Problem a person can read."""

    def __init__(self, url: str, token: str | None = None, tls: ClientTls | None = None) -> None:
        self.url = url.rstrip("/")
        self._tls = tls
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def of(cls, directory: Path) -> "AdminClient":
        """The client of the node that runs in this directory. Raises Problem where none does."""
        found = find_running(directory)
        try:
            config = load_node(directory)
            tls = FaceTls(config).client() if config.admin_face.tls == "on" else None
        except ConfigError as error:
            raise Problem(str(error), "correct the configuration file") from error
        except TrustError as error:
            raise Problem(str(error), "be the user the node runs as") from error
        return cls(found.admin, config.admin_face.token, tls)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls.proof if self._tls is not None else True)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, timeout=aiohttp.ClientTimeout(total=TIMEOUT)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: str | Sequence[str]) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a GET of `/api/…`."""
        return await self._request("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any] | bytes = b"{}", **query: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a POST to `/api/…`."""
        data = body if isinstance(body, bytes) else encode(body)
        return await self._request("POST", path, query=query, data=data)

    async def call(
        self,
        operation: str,
        body: Mapping[str, Any] | bytes,
        *,
        to: str | None = None,
        page: int | None = None,
        size: int | None = None,
    ) -> Called:
        """Let the node send one OICP message; `page` counts from 0."""
        asked = {"to": to, "page": page, "size": size}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        told = await self.post(f"/api/call/{operation}", body, **query)
        return Called(http=told["http"], answer=told["answer"], code=told["code"], ms=float(told["ms"]))

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """The node's events from now on, until the node or the line to it ends. The first is of kind `hello`."""
        timeout = aiohttp.ClientTimeout(total=None, connect=TIMEOUT)
        try:
            async with self._open().get(f"{self.url}/api/events", timeout=timeout, ssl=self._context) as response:
                async for line in response.content:
                    if line.startswith(b"data:"):
                        yield cast("Mapping[str, Any]", decode(line[5:].strip()))
        except aiohttp.ClientError:
            return

    @property
    def _context(self) -> ssl.SSLContext | bool:
        return self._tls.context if self._tls is not None else True

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used as a context manager")
        return self._session

    async def _request(
        self, method: str, path: str, *, query: Mapping[str, str | Sequence[str]], data: bytes | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._open().request(
                method, f"{self.url}{path}", params=_pairs(query), data=data, headers=headers, ssl=self._context
            ) as response:
                text = await response.read()
                status = response.status
        except WrongPeerError as error:
            raise Problem(f"another program than the node answers at {self.url}: {error}", "see its log") from error
        except TimeoutError as error:
            raise Problem(f"the node did not answer within {TIMEOUT:.0f} s", "see its log") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Problem(f"the node's admin face at {self.url} cannot be reached", "is the node running?") from error
        try:
            answer = decode(text)
        except InvalidMessage as error:
            raise Problem(f"{self.url}{path} answered HTTP {status} without JSON", "is this a p2pnode?") from error
        if status >= 400:  # noqa: PLR2004 - the HTTP classes of failure
            told = members_of(answer)
            message, hint, code = (str(told.get(name) or "") for name in ("error", "hint", "code"))
            raise AdminRefused(status, message or f"HTTP {status}", hint, code)
        return answer


def _pairs(query: Query) -> list[tuple[str, str]]:
    """The parameters of a query, one that has several values once for each."""
    return [(name, one) for name, value in query.items() for one in ([value] if isinstance(value, str) else value)]


def to_json(value: object) -> str:
    """Any JSON value as indented text, Decimals exact."""
    compact = encode({"": value})[4:-1]
    return msgspec.json.format(compact, indent=2).decode()
