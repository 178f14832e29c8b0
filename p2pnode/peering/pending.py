"""Nodes that would be peers: they asked, or were discovered. Nothing passes until a person accepts them.

Strangers fill this list, so it is bounded: so many in all and from one address, and so often.
"""

import hashlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, computed_field

from p2pnode.config.files import write_file
from p2pnode.config.settings import Name
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.status import Code
from p2pnode.peering.card import Card, Ids, ShownUrl

KEPT = timedelta(days=7)
"""How long somebody who asked stays pending."""

MOST = 64
"""How many may be pending of each source."""

MOST_OF_ONE = 8
"""How many may be pending that asked from one address, or one IPv6 network of 64 bits."""

PER_MINUTE = 60
PER_MINUTE_OF_ONE = 6
REMEMBERED = 256
"""How many addresses are remembered with the times at which they asked."""

MINUTE = timedelta(minutes=1)


class Source(StrEnum):
    """How a node came to be pending."""

    REQUEST = "request"
    DISCOVERY = "discovery"


class Pending(BaseModel):
    """A node that would be a peer. `key` finds it: its pin where it asked, the name it announces where it was found.

    `card` is only there where it asked, and then proven; of a discovered one `pin` is but the beginning. Times are UTC.
    """

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, Field(max_length=300, pattern=r"^[!-~ ]*$")]
    source: Source
    name: Name
    operators: Ids = ()
    providers: Ids = ()
    url: ShownUrl | None = None
    pin: str = ""
    address: str = ""
    at: datetime
    card: Card | None = None

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it be written
    @property
    def digest(self) -> str:
        """What a person is shown of it, in short: SHA-256 in hexadecimal digits."""
        return hashlib.sha256(self.model_dump_json(exclude={"at", "address", "digest"}).encode()).hexdigest()


_ALL: TypeAdapter[tuple[Pending, ...]] = TypeAdapter(tuple[Pending, ...])


class PendingPeers:
    """All pending nodes. Those that asked are remembered in `file`, readable by its owner only."""

    def __init__(self, file: Path | None, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now
        self._asked: OrderedDict[str, Pending] = OrderedDict()
        self._found: OrderedDict[str, Pending] = OrderedDict()
        self._all_times: deque[datetime] = deque()
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()

    def load(self) -> None:
        """Read the file; one that is missing or broken holds nobody."""
        if self._file is None:
            return
        try:
            known = _ALL.validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return
        self._asked = OrderedDict((one.key, one) for one in known[:MOST])

    def asked(self) -> tuple[Pending, ...]:
        """Those that asked, the first first."""
        return tuple(self._asked.values())

    def save(self, asked: tuple[Pending, ...]) -> None:
        """Write these to the file."""
        if self._file is not None:
            write_file(self._file, _ALL.dump_json(asked))

    def all(self) -> tuple[Pending, ...]:
        """Everybody pending: those that asked, the first first, then those that were only discovered."""
        self._forget()
        found = (one for one in self._found.values() if not any(pin.startswith(one.pin) for pin in self._asked))
        return (*self._asked.values(), *found)

    def get(self, key: str) -> Pending | None:
        """The pending node with this key."""
        return self._asked.get(key) or self._found.get(key)

    def admit(self, address: str) -> None:
        """Count one request. Raises ProtocolError (HTTP 429) where too many came from there in the last minute."""
        network = network_of(address)
        own = self._times.pop(network, deque[datetime]())
        self._times[network] = own
        while len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        self._count(own, PER_MINUTE_OF_ONE)

    def _count(self, times: deque[datetime], most: int) -> None:
        now = self._now()
        while times and now - times[0] > MINUTE:
            times.popleft()
        if len(times) >= most:
            raise _too_many("Too many requests to be paired; ask again in a minute.")
        times.append(now)

    @property
    def addresses(self) -> int:
        """How many addresses are remembered with the times at which they asked."""
        return len(self._times)

    def ask(self, pending: Pending) -> bool:
        """Keep somebody who asked and proved their key; whether they are new.

        Where too many are pending, the first of those goes that are most from one network. Raises ProtocolError
        (HTTP 429) where too many are pending from there, or asked in the last minute from wherever.
        """
        self._count(self._all_times, PER_MINUTE)
        self._forget()
        known = self._asked.get(pending.key)
        if known is None:
            networks = {key: network_of(one.address) for key, one in self._asked.items()}
            counts = Counter(networks.values())
            if counts[network_of(pending.address)] >= MOST_OF_ONE:
                raise _too_many("Too many are waiting to be paired.")
            if len(self._asked) >= MOST:
                del self._asked[max(networks, key=lambda key: counts[networks[key]])]
        self._asked[pending.key] = pending
        return known is None

    @property
    def has_room(self) -> bool:
        """Whether one more that is discovered would be kept."""
        return len(self._found) < MOST

    def found(self, pending: Pending) -> bool:
        """Keep somebody discovered; False where too many are."""
        if pending.key not in self._found and not self.has_room:
            return False
        self._found[pending.key] = pending
        return True

    def discard(self, keys: Iterable[str]) -> None:
        """Forget these, whatever they are pending for."""
        for key in keys:
            self._asked.pop(key, None)
            self._found.pop(key, None)

    def lost(self, key: str) -> None:
        """Forget one that was discovered and is there no more."""
        self._found.pop(key, None)

    def _forget(self) -> None:
        until = self._now() - KEPT
        for key in [key for key, one in self._asked.items() if one.at < until]:
            del self._asked[key]


def network_of(address: str) -> str:
    """Where an address is counted: an IPv6 address with all of its 64-bit network, which one party has for itself."""
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))


def _too_many(reason: str) -> ProtocolError:
    return ProtocolError(Code.SERVICE_NOT_AVAILABLE, reason, http=HTTPStatus.TOO_MANY_REQUESTS)
