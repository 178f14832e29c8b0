"""What parties publish, as plain values: EVSE data, status, prices, identifications; and what can be asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct


class EvseRecord(Struct, frozen=True, gc=False):
    """One EVSE data record as it came (`body`), with what searches need beside it. Coordinates in degrees (WGS 84).

    What has not been stored yet may be a view into the push or page it came in, so that 200 MB are held once.
    """

    owner: str
    evse_key: str
    evse_id: str
    operator_key: str
    operator_id: str
    operator_name: str
    body: bytes | memoryview
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None
    is_hubject_compatible: bool = True
    is_open_24_hours: bool = False
    renewable_energy: bool = False
    accessibility: str = ""
    calibration_law: str = ""
    authentication_modes: frozenset[str] = frozenset()
    notation: str = ""
    """The GeoCoordinatesResponseFormat of all its places; empty where that has to be looked for in the body."""
    changed_at: datetime | None = None
    delta_type: str | None = None


class EvseVersions(NamedTuple):
    """What a page needs of its EVSE data records: their bytes, since when they hold, and how they differ in a delta.

    In columns: a page is made of thousands in less time than as many objects.
    """

    bodies: Sequence[bytes]
    notations: Sequence[str]
    changed_at: Sequence[datetime]
    delta_types: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class EvseFilter:
    """Which EVSE data records a PullEvseData asks for; None means any. Distances in km.

    `as_of` is a moment of `Store.clock`, the same for all pages of an answer. With `changed_since` the answer is the
    difference between the state then and the state at `as_of`, each record with its `delta_type`; what no longer meets
    the filter counts as deleted. `owners` are the owners whose records may be seen, except those of `hubs`
    for the operators with the keys in `direct`; `evse_key_prefixes` narrows by visibility. Who gives `changed_since`
    may not have seen what was being committed then, unless `since_exactly` says that it is when something changed.
    """

    owners: tuple[str, ...]
    as_of: datetime
    changed_since: datetime | None = None
    operator_keys: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    authentication_modes: tuple[str, ...] | None = None
    accessibility: tuple[str, ...] | None = None
    calibration_law: tuple[str, ...] | None = None
    renewable_energy: bool | None = None
    is_hubject_compatible: bool | None = None
    is_open_24_hours: bool | None = None
    center: tuple[float, float] | None = None
    radius: float | None = None
    evse_key_prefixes: tuple[str, ...] | None = None
    hubs: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    since_exactly: bool = False


class HistoryGone(LookupError):
    """The state at `changed_since` is no longer kept; the one at `since` (UTC) is the earliest. A full pull helps."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"changes are known since {since.isoformat()} only")
        self.since = since


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """The current status of one EVSE, as it came (`body`) and as the standard value."""

    owner: str
    evse_key: str
    evse_id: str
    operator_key: str
    operator_id: str
    operator_name: str
    status: str
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One pricing product of an operator for a provider (`*`: all); `header` is the JSON of the members around it."""

    owner: str
    operator_key: str
    operator_id: str
    provider_key: str
    product_id: str
    header: bytes
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class EvsePricingRecord:
    """Which products apply at one EVSE for a provider (`*` for all)."""

    owner: str
    operator_key: str
    operator_id: str
    operator_name: str
    provider_key: str
    evse_key: str
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class EvseOwner:
    """Who has published an EVSE, and its IsHubjectCompatible; None where only its status is published."""

    owner: str
    is_hubject_compatible: bool | None


@dataclass(frozen=True, slots=True)
class AuthenticationRecord:
    """One identification a provider vouches for. `key` compares the medium (kind and UID or EvcoID).

    `body` never holds a PIN: `pin_function` and `pin_hash` do, always as a hash; both are None where there is no PIN.
    """

    owner: str
    provider_key: str
    provider_id: str
    kind: str
    key: str
    body: bytes
    pin_function: str | None = None
    pin_hash: str | None = None
