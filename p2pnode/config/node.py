"""The node's own configuration, `p2pnode.toml`."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from p2pnode.config.backend import BackendFaceSection, CpoSection, EmpSection, require_pair
from p2pnode.config.discovery import DiscoverySection
from p2pnode.config.outbox import OutboxSection
from p2pnode.config.peers import Url
from p2pnode.config.settings import SECRET, Id, Name, Port, Settings, is_loopback
from p2pnode.oicp.operations import MEBIBYTE, PUSH_LIMIT, Role

FEWEST_SESSION_DAYS = 62
"""A CDR that has been forgotten would be taken for a new one if it came again."""
LogLevel = Literal["debug", "info", "warning", "error"]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        message = "a proxy is an IP address, or a network without host bits"
        raise ValueError(message) from None


ProxyAddress = Annotated[str, AfterValidator(_network)]


class NodeSection(Settings):
    """Who the node is: its name and the identifiers of its party."""

    name: Name = Field(
        description="The node's name: lower-case letters, digits, `.`, `_`, `-`.",
    )
    operators: tuple[Id, ...] = Field(
        default=(), description="Our OperatorIDs, the principal one first. None: the node plays no CPO."
    )
    providers: tuple[Id, ...] = Field(
        default=(), description="Our ProviderIDs, the principal one first. None: the node plays no EMP."
    )
    relay: bool = Field(
        default=False,
        description="Whether the node passes on what its peers send each other, as a small hub does. To them it is a "
        "peer with `hub = true`.",
    )

    @model_validator(mode="after")
    def _plays_a_role(self) -> "NodeSection":
        if not self.operators and not self.providers and not self.relay:
            message = "a node has operators, providers or both, or relays"
            raise ValueError(message)
        return self

    def ids(self, role: Role) -> tuple[str, ...]:
        """Our own identifiers in this role."""
        return self.operators if role is Role.CPO else self.providers

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles this node plays."""
        return tuple(role for role in Role if self.ids(role))


class PeerFaceSection(Settings):
    """Where peers reach the node, and with which certificate it meets them."""

    host: str = Field(default="127.0.0.1", description="The address to listen at; `0.0.0.0` for all of IPv4.")
    port: Port = Field(default=7000, description="The port to listen at; 0 for any free one.")
    url: Url | None = Field(
        default=None,
        description="The OICP base that peers reach the node at, for its card, where host and port do not tell it: "
        "behind a router, or with the host `0.0.0.0`.",
    )
    pairing: bool = Field(
        default=True, description="Whether strangers may ask to become peers. They wait until somebody accepts them."
    )
    tls: Literal["on", "off"] = Field(
        default="on",
        description="`off` is plain HTTP, for a lab: peers are then known by the ids in their messages only.",
    )
    certificate: Path = Field(
        default=Path("pki/node.pem"), description="The node's TLS certificate, PEM, with its issuers after it."
    )
    key: Path = Field(
        default=Path("pki/node.key"),
        description="The private key, PEM. One that every user of the machine can read is refused.",
    )
    signing_key: Path | None = Field(
        default=None,
        description="The private key our messages are signed with, PEM, P-256 or Ed25519; without one it is `key`.",
    )
    insecure: bool = Field(default=False, description="Allow plain HTTP on an address other machines can reach.")
    proxies: tuple[ProxyAddress, ...] = Field(
        default=(),
        description="Addresses, or networks such as `10.0.0.0/28`, of TLS-terminating proxies whose `proxy_header` is "
        "believed. Everybody else's is refused.",
    )
    proxy_header: str = Field(
        default="X-Client-Cert",
        description="The header in which such a proxy passes the client certificate on: URL-encoded PEM, or, in "
        "`X-Forwarded-Client-Cert`, Envoy's form with the member `Cert`.",
    )
    proxy_prefix: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="What a proxy takes off the beginning of the path, such as `/roaming`; signatures cover the whole.",
    )

    @property
    def shows_identity(self) -> bool:
        """Whether the node has a certificate to show: it speaks TLS itself, or a proxy does before it."""
        return self.tls == "on" or bool(self.proxies)

    @model_validator(mode="after")
    def _plain_stays_home(self) -> "PeerFaceSection":
        if self.tls == "off" and not self.insecure and not is_loopback(self.host):
            message = 'tls = "off" needs a loopback address, or insecure = true'
            raise ValueError(message)
        if self.tls == "on" and self.proxies:
            message = 'proxies are for tls = "off": a proxy that ends TLS speaks plain HTTP to the node'
            raise ValueError(message)
        return self


class AdminFaceSection(Settings):
    """Where the admin API and the metrics are served, to the command line among others."""

    host: str = Field(default="127.0.0.1", description="The address to listen at.")
    port: Port = Field(default=7002, description="The port to listen at; 0 for any free one.")
    token: str | None = Field(
        default=None,
        min_length=16,
        repr=False,
        json_schema_extra=SECRET,
        description="The bearer token callers show; off loopback this or `client_ca` is needed.",
    )
    tls: Literal["on", "off"] = Field(
        default="off", description="`off` is plain HTTP, for a loopback address: a token could be read on its way."
    )
    certificate: Path | None = Field(
        default=None, description="The TLS certificate of the face, PEM, with its issuers after it. None: the node's."
    )
    key: Path | None = Field(default=None, description="Its private key, PEM.")
    client_ca: Path | None = Field(
        default=None,
        description="A PEM file with the CAs whose certificates administrators may show; then they have to. The command"
        " line shows the face's own.",
    )
    insecure: bool = Field(default=False, description="Allow plain HTTP on an address other machines can reach.")

    @model_validator(mode="after")
    def _is_guarded(self) -> "AdminFaceSection":
        require_pair(self.certificate, self.key)
        if self.tls == "off" and (self.certificate is not None or self.client_ca is not None):
            message = 'certificate, key and client_ca are for tls = "on"'
            raise ValueError(message)
        if is_loopback(self.host):
            return self
        if self.token is None and self.client_ca is None:
            message = "the admin face needs a token or a client_ca where it listens at other than a loopback address"
            raise ValueError(message)
        if self.tls == "off" and not self.insecure:
            message = 'the admin face needs tls = "on" or insecure = true at other than a loopback address'
            raise ValueError(message)
        return self


class StoreSection(Settings):
    """Where the node remembers."""

    path: Path = Field(
        default=Path("p2pnode.db"),
        description="The SQLite database file. What is published is in a second one beside it: `p2pnode-published.db`.",
    )
    lock_seconds: float = Field(
        default=5.0,
        gt=0,
        description="How long a write waits for another process that holds a database; then it is refused.",
    )
    history_days: int = Field(
        default=30,
        ge=1,
        description="For how many days former versions of EVSE data are kept, so that a pull may ask what has changed.",
    )
    session_days: int = Field(
        default=0,
        ge=0,
        description="For how many days sessions that are settled or expired are kept, with their history and CDRs; 0: "
        "for ever, else at least 62. What is not forwarded, in the outbox or under review stays.",
    )
    receipt_days: int = Field(
        default=365,
        ge=1,
        description="For how many days receipts are kept: signed messages as they were, identifications included.",
    )

    @field_validator("session_days")
    @classmethod
    def _outlives_questions(cls, days: int) -> int:
        if 0 < days < FEWEST_SESSION_DAYS:
            message = f"sessions are kept for at least {FEWEST_SESSION_DAYS} days, or for ever with 0"
            raise ValueError(message)
        return days


class RoamingSection(Settings):
    """How long the party waits for others, and how long sessions may wait for their next message."""

    authorize_seconds: float = Field(
        default=10.0, gt=0, description="For an AuthorizeStart in all, however many peers are asked."
    )
    push_seconds: float = Field(
        default=5.0, ge=0, description="How long a push of our own waits for the peers before it is answered."
    )
    remote_start_on_timeout: Literal["keep", "stop"] = Field(
        default="keep",
        description="What follows a remote start whose answer is lost: `keep` waits for its notification or CDR, `stop`"
        " also sends a RemoteStop.",
    )
    reservation_minutes: int = Field(
        default=15, ge=1, description="How long a reservation holds where the message names no duration."
    )
    authorized_days: int = Field(
        default=7, ge=1, description="How long an authorization may wait for its first notification or CDR."
    )
    unconfirmed_hours: int = Field(
        default=24, ge=1, description="How long a remote start without an answer may still be confirmed."
    )


class LimitsSection(Settings):
    """How much the node takes and how long it waits. Times in seconds, sizes in bytes."""

    body_bytes: int = Field(
        default=PUSH_LIMIT, ge=MEBIBYTE, description="The largest body read; an operation's own limit may be smaller."
    )
    large_bodies: int = Field(
        default=2, ge=1, description="How many bodies above 1 MiB are read at the same time; others wait."
    )
    connections: int = Field(default=1000, ge=1, description="How many connections peers may hold open in all.")
    peer_connections: int = Field(default=16, ge=1, description="How many connections are opened to one peer.")
    connections_of_one_peer: int = Field(
        default=200, ge=1, description="How many of them one peer may hold open, over TLS."
    )
    peer_requests_at_once: int = Field(
        default=256,
        ge=1,
        description="How many requests of one peer are answered at the same time; more are refused with HTTP 429.",
    )
    peer_requests_per_second: float = Field(
        default=0.0,
        ge=0,
        description="How many requests of one peer are answered per second, in the long run; more are refused with "
        "HTTP 429. 0: as many as can be.",
    )
    stranger_connections: int = Field(
        default=100,
        ge=1,
        description="How many connections those may hold open, all together, who show no peer's certificate, over TLS.",
    )
    handshakes: int = Field(
        default=512,
        ge=1,
        description="How many connections may be open whose TLS handshake is not done; of more, one is ended, from the "
        "address that has most.",
    )
    handshakes_per_second: float = Field(
        default=400.0,
        gt=0,
        description="How many TLS handshakes begin per second, in the long run, not counting those of peers; others "
        "wait for their turn, address by address.",
    )
    keep_alive_seconds: float = Field(
        default=75.0, gt=0, description="How long an idle connection of a peer is kept open."
    )
    head_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long a request's head may take to arrive, and how long a stranger may wait with its first.",
    )
    body_seconds: float = Field(default=60.0, gt=0, description="How long a body may take to arrive.")
    body_rate: float = Field(
        default=16384.0,
        gt=0,
        description="The least bytes a second at which a body has to arrive, once five seconds have passed.",
    )
    answer_seconds: float = Field(
        default=60.0, gt=0, description="How long an answer may take; an operation's own limit may be smaller."
    )
    signature_seconds: float = Field(
        default=300.0,
        gt=0,
        description="How far from now a signed message may say it was made; within that time none is taken twice.",
    )
    handshake_seconds: float = Field(default=10.0, gt=0, description="How long a TLS handshake may take.")
    connect_seconds: float = Field(default=5.0, gt=0, description="How long connecting to a peer may take.")
    watch_seconds: float = Field(
        default=2.0,
        ge=0,
        description="How often the node looks whether its peer table or certificates have changed; 0: only after SIGHUP"
        " and `p2pnode reload`.",
    )
    stop_seconds: float = Field(default=10.0, gt=0, description="How long requests in flight may take after a stop.")


class LogSection(Settings):
    """What the node writes to stderr."""

    level: LogLevel = Field(default="info", description="The least severe lines that are written.")
    format: Literal["text", "json"] = Field(default="text", description="For people, or one JSON object per line.")
    access: bool = Field(default=True, description="Whether every message on the wire gets a line.")


class AuditSection(Settings):
    """The log of who was refused, what administrators did and what changed, each line bound to those before it."""

    enabled: bool = Field(default=True, description="`false` keeps no such log.")
    path: Path = Field(default=Path("audit.jsonl"), description="The file; lines are only ever added to it.")
    most_bytes: int = Field(
        default=1 << 26,
        ge=4096,
        description="A file of this size gets a number, the oldest 1, and a new one is begun. The node deletes none.",
    )
    authorizations: Literal["off", "masked", "full"] = Field(
        default="off",
        description="Whether each start and stop that a peer asks for gets a line with who identified: the last "
        "characters only, or in full. `full` makes the file personal data.",
    )


class NodeConfig(Settings):
    """`p2pnode.toml`: everything a node is told about itself. Peers stand in `peers.toml` and `peers.d/`."""

    node: NodeSection = Field(description="Who the node is.")
    peer_face: PeerFaceSection = Field(default=PeerFaceSection(), description="Where peers reach it.")
    backend_face: BackendFaceSection = Field(default=BackendFaceSection(), description="Where our backend reaches it.")
    admin_face: AdminFaceSection = Field(default=AdminFaceSection(), description="Where administrators reach it.")
    discovery: DiscoverySection = Field(default=DiscoverySection(), description="Whether neighbours find it.")
    store: StoreSection = Field(default=StoreSection(), description="Where it remembers.")
    cpo: CpoSection = Field(default=CpoSection(), description="Who answers for our CPO role.")
    emp: EmpSection = Field(default=EmpSection(), description="Who answers for our EMP role.")
    limits: LimitsSection = Field(default=LimitsSection(), description="How much it takes, how long it waits.")
    roaming: RoamingSection = Field(default=RoamingSection(), description="How long it waits for others.")
    outbox: OutboxSection = Field(default=OutboxSection(), description="How it sends again what nobody took.")
    log: LogSection = Field(default=LogSection(), description="What it writes.")
    audit: AuditSection = Field(default=AuditSection(), description="Who was refused, and what administrators did.")
