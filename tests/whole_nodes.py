"""What the tests over whole nodes share: directories with identities, HTTP over mutual TLS, the rows of a store."""

import asyncio
import json
import sqlite3
import ssl
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p2pnode.config import PeerEntry, save_peer
from p2pnode.lab.directory import Made, make_directory
from p2pnode.lab.ports import LOOPBACK
from p2pnode.oicp.operations import BASE_PATH, AnyOperation, Role
from p2pnode.pki import Authority, Identity, create_ca
from tests.blank_store import put_store
from tests.peering.peering_kit import OPERATOR, PROVIDER, Reply, post, read_reply, tls_client

UID = "7568290FFF765F"
EVCO_ID = "DE-DCB-C12345678-X"
EVSE_ID = "DE*ABC*E1234*1"
"""The card, the contract and the charging point of the samples."""

NOT_REMEMBERED = frozenset({"mark", "alembic_version", "breaker"})
"""Tables that tell nothing of what passed: the store's clock, the version of its tables, who is reachable."""

TRIES = ("attempts", "next_at", "reason")
"""The columns of the outbox that change while a message waits."""

MAIN_TABLES = frozenset(
    {"session", "session_event", "cdr", "evse", "status", "product", "evse_pricing", "authentication"}
)
"""Those that tell whether something was done."""

Rows = dict[str, list[tuple[object, ...]]]


def node_settings(
    name: str, *, operators: Sequence[str] = (), providers: Sequence[str] = (), port: int = 0, **sections: object
) -> dict[str, Any]:
    """The settings of a node that peers reach over mutual TLS and that logs failures only."""
    return {
        "node": {"name": name, "operators": list(operators), "providers": list(providers)},
        "peer_face": {"host": LOOPBACK, "port": port},
        "backend_face": {"enabled": False},
        "admin_face": {"port": 0},
        "log": {"level": "error"},
        **sections,
    }


def peer(made: Made, authority: Authority, **settings: object) -> PeerEntry:
    """How another node knows this one: by its ids, its address, and the CA that issued its certificate."""
    config = made.config
    port = config.peer_face.port
    members: dict[str, Any] = {
        "name": config.node.name,
        "url": f"https://{LOOPBACK}:{port}{BASE_PATH}" if port else None,
        "operators": config.node.operators,
        "providers": config.node.providers,
        "ca": authority.certificate_file,
    }
    return PeerEntry.model_validate(members | settings)


@dataclass(frozen=True)
class Pair:
    """The CPO and the EMP of the samples, each the other's peer; `other` is a second peer of both."""

    cpo: Made
    emp: Made
    other: Made
    authority: Authority

    def of(self, role: Role) -> Made:
        """The party that plays this role."""
        return self.cpo if role is Role.CPO else self.emp


def make_pair(
    root: Path, ports: tuple[int, int] = (0, 0), *, connected: bool = False, receive: Iterable[str] | None = None
) -> Pair:
    """The directories of both. `connected`: a car is plugged in; `receive`: what each takes from the other, all."""
    now = datetime.now(UTC)
    authority = create_ca(root / "ca", "a CA", now)
    point = {"evse_id": EVSE_ID, "connected": connected}
    drivers = [{"name": "Ada", "uid": UID, "evco_id": EVCO_ID}]
    cpo = node_settings(
        "abc",
        operators=[OPERATOR],
        port=ports[0],
        cpo={"virtual": {"charge_points": [point], "publish_at_start": False}},
    )
    emp = node_settings("dcb", providers=[PROVIDER], port=ports[1], emp={"virtual": {"drivers": drivers}})
    other = node_settings("other", operators=["DE*XYZ"], providers=["DE-XYZ"])
    made = [
        make_directory(root / settings["node"]["name"], settings, now, authority=authority)
        for settings in (cpo, emp, other)
    ]
    for each in made:
        put_store(each.config.store.path)
    pair = Pair(made[0], made[1], made[2], authority)
    allowed: dict[str, Any] = {"pull_authentication_data": True} if receive is None else {"receive": tuple(receive)}
    save_peer(pair.cpo.directory, peer(pair.emp, authority, **allowed))
    save_peer(pair.emp.directory, peer(pair.cpo, authority, **allowed))
    for party in (pair.cpo, pair.emp):
        save_peer(party.directory, peer(pair.other, authority))
    return pair


def databases(store: Path) -> list[Path]:
    """The files a node keeps its store in: the one its configuration names, and those beside it."""
    return sorted(store.parent.glob(f"{store.stem}*{store.suffix}"))


def rows_of(store: Path) -> Rows:
    """Everything a node remembers: the rows of every table of its databases, as they are on disk now."""
    found: Rows = {}
    for database in databases(store):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for name in sorted({name for (name,) in listed if not name.startswith("sqlite_")} - NOT_REMEMBERED):
                rows = connection.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - the names are the database's own
                kept = [place for place, column in enumerate(rows.description) if column[0] not in TRIES]
                found[name] = sorted((tuple(row[place] for place in kept) for row in rows), key=repr)
    assert found.keys() >= MAIN_TABLES
    return found


def count(rows: Rows) -> Mapping[str, int]:
    """How many rows each table has."""
    return {name: len(found) for name, found in rows.items()}


@dataclass(frozen=True)
class Caller:
    """Somebody who sends requests to a node, with a certificate or without."""

    port: int
    tls: ssl.SSLContext

    @classmethod
    def of(cls, port: int, server: Identity, own: Identity | None) -> "Caller":
        """The caller with this identity, at the node with the other."""
        return cls(port, tls_client(server, own))

    async def post(
        self,
        path: str,
        body: bytes | dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> Reply:
        """One request on a connection of its own."""
        return await post(self.port, path, body, tls=self.tls, headers=headers, method=method)

    @asynccontextmanager
    async def conversation(self) -> AsyncGenerator["Conversation"]:
        """A connection for many requests."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=self.tls)
        try:
            yield Conversation(reader, writer)
        finally:
            writer.close()

    async def send(self, operation: AnyOperation, caller_id: str, body: bytes | dict[str, Any]) -> Reply:
        """A message of the operation, under this id in the path."""
        return await self.post(BASE_PATH + operation.url_path(caller_id), body)


class Conversation:
    """Many requests on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, body: bytes | dict[str, Any]) -> Reply:
        """One request."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
        self._writer.write(head.encode() + b"\r\n\r\n" + content)
        return await read_reply(self._reader)
