"""The peer table: who may be talked to, which identifiers each peer may speak for, and what passes between the two."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import BY_NAME, PULL_AUTHENTICATION_DATA, AnyOperation, Role

Dialect = Literal["oicp", "hubject", "wwcp"]
PeerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class PeerEntry(BaseModel):
    """One peer: where it is, how it proves who it is, which identifiers are its own, what may pass in each direction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: PeerName
    url: str | None = None
    """Its OICP base, such as `https://node.example:7000/api/oicp`; without one the peer is only listened to."""
    operators: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    sub_operators: tuple[str, ...] = ()
    sub_providers: tuple[str, ...] = ()
    evse_prefixes: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    """SHA-256 of its public key (SPKI), `sha256:` and hexadecimal: the current one and, before a change, the next."""
    certificate: Path | None = None
    ca: Path | None = None
    tls_name: str | None = None
    tls: Literal["on", "off"] = "on"
    dialect: Dialect = "oicp"
    hub: bool = False
    enabled: bool = True
    send: Literal["all"] | tuple[str, ...] = "all"
    receive: Literal["all"] | tuple[str, ...] = "all"
    pull_authentication_data: bool = False
    visible: Literal["all"] | tuple[str, ...] = "all"
    """Which of our EVSEs the peer may see: all, or those whose EvseID begins with one of these."""

    @model_validator(mode="after")
    def _names_known_operations(self) -> "PeerEntry":
        for listed in (self.send, self.receive):
            for name in () if listed == "all" else listed:
                if name not in BY_NAME:
                    message = f"no operation is called {name!r}"
                    raise ValueError(message)
        return self

    def may_send(self, operation: AnyOperation) -> bool:
        """Whether we may send this operation to the peer."""
        return self._allows(self.send, operation)

    def may_receive(self, operation: AnyOperation) -> bool:
        """Whether the peer may send this operation to us."""
        return self._allows(self.receive, operation)

    def _allows(self, listed: Literal["all"] | tuple[str, ...], operation: AnyOperation) -> bool:
        if operation is PULL_AUTHENTICATION_DATA and not self.pull_authentication_data:
            return False
        return listed == "all" or operation.name in listed

    def ids(self, role: Role) -> tuple[str, ...]:
        """The identifiers the peer has in this role, as they are written in the table."""
        return self.operators if role is Role.CPO else self.providers

    def speaks_for(self, role: Role, identifier: str) -> bool:
        """Whether `identifier`, in any spelling, is one of the peer's own in this role; a hub speaks for everybody."""
        key = operator_key if role is Role.CPO else provider_key
        wanted = key(identifier)
        return self.hub or any(key(own) == wanted for own in self.ids(role))


class PeerTable:
    """The peers at one moment; immutable. Raises ValueError where two peers claim the same identifier, pin or name."""

    def __init__(self, peers: Iterable[PeerEntry]) -> None:
        self.peers: tuple[PeerEntry, ...] = tuple(peers)
        self._by_name = _index((peer.name, peer) for peer in self.peers)
        self._by_pin = _index((pin, peer) for peer in self.peers for pin in peer.pins)
        self._by_operator = _index(
            (operator_key(text), peer) for peer in self.peers for text in (*peer.operators, *peer.sub_operators)
        )
        self._by_provider = _index(
            (provider_key(text), peer) for peer in self.peers for text in (*peer.providers, *peer.sub_providers)
        )

    def get(self, name: str) -> PeerEntry | None:
        """The peer with this name."""
        return self._by_name.get(name)

    def by_pin(self, pin: str) -> PeerEntry | None:
        """The peer that trusts this public key."""
        return self._by_pin.get(pin)

    def by_operator(self, key: str) -> PeerEntry | None:
        """The peer that is, or bundles, the operator with this key."""
        return self._by_operator.get(key)

    def by_provider(self, key: str) -> PeerEntry | None:
        """The peer that is, or bundles, the provider with this key."""
        return self._by_provider.get(key)

    def with_role(self, role: Role) -> tuple[PeerEntry, ...]:
        """The enabled peers that play this role."""
        return tuple(peer for peer in self.peers if peer.enabled and (peer.hub or peer.ids(role)))


def _index(pairs: Iterable[tuple[str, PeerEntry]]) -> Mapping[str, PeerEntry]:
    found: dict[str, PeerEntry] = {}
    for key, peer in pairs:
        other = found.setdefault(key, peer)
        if other is not peer:
            message = f"peers {other.name!r} and {peer.name!r} both claim {key!r}"
            raise ValueError(message)
    return found
