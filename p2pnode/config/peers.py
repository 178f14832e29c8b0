"""The peer table: who may be talked to, which identifiers each peer may speak for, and what passes between the two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from p2pnode.config.pins import PIN, read_signing_key
from p2pnode.config.settings import Id, Name, Settings, is_loopback
from p2pnode.oicp.dialects import Dialect
from p2pnode.oicp.identifiers import evse_prefix_key, operator_key, provider_key
from p2pnode.oicp.operations import BY_NAME, PULL_AUTHENTICATION_DATA, AnyOperation, Role


def _pin(text: str) -> str:
    pin = text.strip().lower()
    if not PIN.fullmatch(pin):
        message = "a pin is `sha256:` and 64 hexadecimal digits"
        raise ValueError(message)
    return pin


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and _port(parts)
    except ValueError:
        usable, parts = False, None
    if not usable or parts is None:
        message = "a url is http or https, a host, perhaps a port, and the path of the OICP base"
        raise ValueError(message)
    if parts.username or parts.query or parts.fragment:
        message = "a url has no user, query or fragment"
        raise ValueError(message)
    return text.rstrip("/")


def _port(parts: SplitResult) -> bool:
    return parts.port is None or parts.port > 0


def _all_or_list(value: object) -> object:
    """One sentence for a value that is neither of the two forms, instead of one for each."""
    if value == "all":
        return value
    if isinstance(value, list | tuple):
        elements = cast("Sequence[object]", value)
        if all(isinstance(element, str) for element in elements):
            return tuple(elements)
    message = 'should be "all" or a list of texts'
    raise ValueError(message)


def _signing_key(text: str) -> str:
    read_signing_key(text)
    return text.strip()


Pin = Annotated[str, AfterValidator(_pin)]
SigningKeyText = Annotated[str, AfterValidator(_signing_key)]
Url = Annotated[str, AfterValidator(_url)]
AllOrSome = Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_all_or_list)]


class PeerEntry(Settings):
    """One peer: where it is, how it proves who it is, which identifiers are its own, what may pass in either way."""

    name: Name = Field(
        description="What the peer is called here and in logs: lower-case letters, digits, `.`, `_`, `-`."
    )
    url: Url | None = Field(
        default=None,
        description="Its OICP base, such as `https://node.example:7000/api/oicp`. Without one it is only listened to.",
    )
    operators: tuple[Id, ...] = Field(default=(), description="The OperatorIDs it speaks for. None: it is no CPO.")
    providers: tuple[Id, ...] = Field(default=(), description="The ProviderIDs it speaks for. None: it is no EMP.")
    sub_operators: tuple[Id, ...] = Field(
        default=(),
        description="OperatorIDs it bundles: they may stand inside its EvseIDs, never as the caller's own id.",
    )
    sub_providers: tuple[Id, ...] = Field(
        default=(),
        description="ProviderIDs it bundles: they may stand inside its EvcoIDs, never as the caller's own id.",
    )
    evse_prefixes: tuple[Id, ...] = Field(
        default=(), description="Beginnings of EvseIDs that are its, whatever operator they name; the longest wins."
    )
    pins: tuple[Pin, ...] = Field(
        default=(),
        description="SHA-256 of its public key, `sha256:` and hexadecimal: the current and, before a change, the next. "
        "They are enough to call it; to take its calls over TLS, `certificate` or `ca` is needed as well.",
    )
    certificate: Path | None = Field(
        default=None,
        description="A PEM file with its identity certificate (or its self-signed one); its key is a pin of the peer.",
    )
    ca: Path | None = Field(
        default=None, description="A PEM file with the CAs whose certificates it may show, if they name it."
    )
    tls_name: str | None = Field(
        default=None,
        description="The DNS name, common name, organization or unit in its CA-issued certificate; else an id of its.",
    )
    signatures: Literal["off", "send", "require"] = Field(
        default="off",
        description="Signed messages, kept as receipts: `send` signs ours and checks its, `require` also takes nothing "
        "from it that is not signed. To a peer of dialect `wwcp` the signature stands in the body.",
    )
    signing_keys: tuple[SigningKeyText, ...] = Field(
        default=(),
        description="The public keys it signs with, as its node card shows them, where they are not the key of "
        "`certificate`: the current and, before a change, the next.",
    )
    tls: Literal["on", "off"] = Field(default="on", description="`off` calls it over plain HTTP, for a lab.")
    insecure: bool = Field(default=False, description="Allow plain HTTP to a host that is not this machine.")
    dialect: Dialect = Field(
        default="oicp",
        description="How we write to it: as the specification says, as Hubject's schemas demand, or as WWCP_OICP "
        "reads. What it sends is read in every form.",
    )
    hub: bool = Field(
        default=False,
        description="It may speak for everybody, and gets what no other peer claims: Hubject, or a relay.",
    )
    through_hub: bool = Field(
        default=False,
        description="Whether a hub may speak for it, too: begin sessions under its ids, go on with those that began "
        "directly. Otherwise, while the entry is enabled, a hub is refused that with 017.",
    )
    requests_at_once: int | None = Field(
        default=None, ge=1, description="How many of its requests are answered at once, instead of the node's limit."
    )
    requests_per_second: float | None = Field(
        default=None, gt=0, description="How many of its requests are answered per second, instead of the node's limit."
    )
    push_records: int | None = Field(
        default=None,
        ge=1,
        description="How many records a push holds that brings it up to date, instead of `outbox.push_records`.",
    )
    enabled: bool = Field(default=True, description="`false` keeps the entry, but nothing passes.")
    send: AllOrSome = Field(default="all", description="The operations we may send it: `all` or a list of names.")
    receive: AllOrSome = Field(default="all", description="The operations it may send us: `all` or a list of names.")
    pull_authentication_data: bool = Field(
        default=False,
        description="Whether the obsolete PullAuthenticationData may pass, which hands out all contracts.",
    )
    visible: AllOrSome = Field(
        default="all", description="Which of our EVSEs it may see: all, or those whose EvseID begins with one of these."
    )

    @model_validator(mode="after")
    def _names_known_operations(self) -> "PeerEntry":
        for listed in (self.send, self.receive):
            for name in () if listed == "all" else listed:
                if name not in BY_NAME:
                    message = f"no operation is called {name!r}"
                    raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_reached_safely(self) -> "PeerEntry":
        if self.url is None:
            return self
        parts = urlsplit(self.url)
        if (parts.scheme == "https") is not (self.tls == "on"):
            message = 'an https url goes with tls = "on", an http url with tls = "off"'
            raise ValueError(message)
        if self.tls == "off" and not self.insecure and not is_loopback(parts.hostname or ""):
            message = 'tls = "off" needs a url on a loopback address, or insecure = true'
            raise ValueError(message)
        if self.tls == "on" and not (self.pins or self.certificate or self.ca):
            message = "an https url needs pins, a certificate or a ca to know the peer by"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _signs_with_known_keys(self) -> "PeerEntry":
        if self.signatures == "require" and self.certificate is None and not self.signing_keys:
            message = 'signatures = "require" needs a certificate or signing_keys to check its signatures with'
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

    @property
    def signs(self) -> bool:
        """Whether messages to the peer are signed, and its signatures checked."""
        return self.signatures != "off"

    def ids(self, role: Role) -> tuple[str, ...]:
        """The identifiers the peer has in this role, as they are written in the table."""
        return self.operators if role is Role.CPO else self.providers

    def evse_prefix_keys(self) -> Iterator[tuple[str, str]]:
        """The keys of the `evse_prefixes`, each with its text; one of nothing but separators is no prefix."""
        for text in self.evse_prefixes:
            if key := evse_prefix_key(text):
                yield key, text

    def speaks_for(self, role: Role, identifier: str) -> bool:
        """Whether `identifier`, in any spelling, is one of the peer's own in this role; a hub speaks for everybody."""
        own = self.operators if role is Role.CPO else self.providers
        if self.hub or identifier in own:
            return True
        key = operator_key if role is Role.CPO else provider_key
        wanted = key(identifier)
        return any(key(text) == wanted for text in own)


class PeerTable:
    """The peers at one moment; immutable. Raises ValueError where two peers claim the same identifier, pin or name.

    Disabled peers keep their claims, but only `get` and `peers` show them.
    """

    def __init__(self, peers: Iterable[PeerEntry] = ()) -> None:
        self.peers: tuple[PeerEntry, ...] = tuple(peers)
        self.hubs: tuple[PeerEntry, ...] = tuple(peer for peer in self.peers if peer.hub and peer.enabled)
        self._by_name = _index("name", ((peer.name, peer.name, peer) for peer in self.peers))
        _index("pin", ((pin, pin, peer) for peer in self.peers for pin in peer.pins))
        self._by_operator = _index(
            "operator",
            (
                (operator_key(text), text, peer)
                for peer in self.peers
                for text in (*peer.operators, *peer.sub_operators)
            ),
        )
        self._by_provider = _index(
            "provider",
            (
                (provider_key(text), text, peer)
                for peer in self.peers
                for text in (*peer.providers, *peer.sub_providers)
            ),
        )
        self._by_prefix = _index(
            "EVSE prefix",
            ((key, text, peer) for peer in self.peers for key, text in peer.evse_prefix_keys()),
        )
        self._prefix_lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def get(self, name: str) -> PeerEntry | None:
        """The peer with this name, enabled or not."""
        return self._by_name.get(name)

    def by_operator(self, key: str) -> PeerEntry | None:
        """The enabled peer that is, or bundles, the operator with this key."""
        return _enabled(self._by_operator.get(key))

    def by_provider(self, key: str) -> PeerEntry | None:
        """The enabled peer that is, or bundles, the provider with this key."""
        return _enabled(self._by_provider.get(key))

    def by_evse_prefix(self, key: str) -> PeerEntry | None:
        """The enabled peer with the longest of all `evse_prefixes` that the EVSE with this key begins with."""
        for length in self._prefix_lengths:
            peer = self._by_prefix.get(key[:length])
            if peer is not None and peer.enabled:
                return peer
        return None

    def with_role(self, role: Role) -> tuple[PeerEntry, ...]:
        """The enabled peers that play this role, hubs after all others."""
        return tuple(peer for peer in self.peers if peer.enabled and not peer.hub and peer.ids(role)) + self.hubs


def _enabled(peer: PeerEntry | None) -> PeerEntry | None:
    return peer if peer is not None and peer.enabled else None


def _index(what: str, claims: Iterable[tuple[str, str, PeerEntry]]) -> Mapping[str, PeerEntry]:
    """Peers by key, from (key, text as written, peer). One peer may repeat a claim, except its name."""
    found: dict[str, PeerEntry] = {}
    for key, text, peer in claims:
        other = found.setdefault(key, peer)
        if other is not peer:
            message = f"peers {other.name!r} and {peer.name!r} both claim the {what} {text!r}"
            raise ValueError(message)
    return found
