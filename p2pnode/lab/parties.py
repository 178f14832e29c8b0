"""The parties of the lab: who they are, their charge points, their drivers, their prices."""

from dataclasses import dataclass
from decimal import Decimal

from p2pnode.config.virtual import VirtualChargePoint, VirtualDriver

TIME_SCALE = 600.0
"""Seconds of charging that pass in one second of the lab."""


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of a provider, each named by how they identify themselves."""

    card: VirtualDriver
    other_card: VirtualDriver
    code: VirtualDriver
    car: VirtualDriver
    app: VirtualDriver
    locked: VirtualDriver

    def all(self) -> tuple[VirtualDriver, ...]:
        """Every driver the provider knows."""
        return (self.card, self.other_card, self.code, self.car, self.app, self.locked)


@dataclass(frozen=True, slots=True)
class Product:
    """A pricing product: its id, and its price per kWh in the party's currency."""

    product_id: str
    price: Decimal
    power: int


@dataclass(frozen=True, slots=True)
class Party:
    """One party of the lab, CPO and EMP in one; an id is empty where it plays only one role.

    `stranger` is the UID of a card that no provider has issued.
    """

    name: str
    operator_id: str
    operator_name: str
    provider_id: str
    currency: str
    hotline: str
    points: tuple[VirtualChargePoint, ...]
    products: tuple[Product, ...]
    drivers: Drivers
    stranger: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A station and where it stands."""

    number: str
    name: str
    street: str
    house_number: str
    postal_code: str
    city: str
    latitude: float
    longitude: float
    power: int


def _points(operator: str, country: str, places: tuple[_Place, ...]) -> tuple[VirtualChargePoint, ...]:
    """Two charge points at each station."""
    return tuple(
        VirtualChargePoint(
            evse_id=f"{operator}*E{place.number}*{number}",
            station=f"{operator}*S{place.number}",
            name=place.name,
            plugs=("CCS Combo 2 Plug (Cable Attached)",) if _is_fast(place) else ("Type 2 Outlet",),
            power=Decimal(place.power),
            power_type="DC" if _is_fast(place) else "AC_3_PHASE",
            voltage=920 if _is_fast(place) else 400,
            amperage=99 if _is_fast(place) else 32,
            latitude=place.latitude,
            longitude=place.longitude,
            street=place.street,
            house_number=place.house_number,
            postal_code=place.postal_code,
            city=place.city,
            country=country,
            connected=False,
        )
        for place in places
        for number in (1, 2)
    )


def _is_fast(place: _Place) -> bool:
    return place.power > 43  # noqa: PLR2004 - kW, the most that alternating current gives


def _drivers(provider: str, numbers: tuple[str, ...], names: tuple[str, ...], uids: tuple[str, str]) -> Drivers:
    evco_ids = [f"{provider}-C{number}" for number in numbers]
    return Drivers(
        card=VirtualDriver(name=names[0], uid=uids[0]),
        other_card=VirtualDriver(name=names[1], uid=uids[1]),
        code=VirtualDriver(name=names[2], evco_id=evco_ids[0], pin="482915"),
        car=VirtualDriver(name=names[3], evco_id=evco_ids[1], plug_and_charge=True),
        app=VirtualDriver(name=names[4], evco_id=evco_ids[2]),
        locked=VirtualDriver(name=names[5], evco_id=evco_ids[3], pin="170362", locked=True),
    )


ALPINE = Party(
    name="alpine",
    operator_id="CH*ALP",
    operator_name="Alpine Charge AG",
    provider_id="CH-ALP",
    currency="CHF",
    hotline="+41815550142",
    points=_points(
        "CH*ALP",
        "CHE",
        (
            _Place("1001", "Chur Bahnhof", "Bahnhofplatz", "3", "7000", "Chur", 46.853100, 9.529500, 22),
            _Place("1002", "Andermatt Oberalp", "Gotthardstrasse", "14", "6490", "Andermatt", 46.635600, 8.593900, 150),
            _Place("1003", "Davos Dorf", "Promenade", "150", "7260", "Davos", 46.809400, 9.847200, 22),
        ),
    ),
    products=(Product("AC22", Decimal("0.52"), 22), Product("DC150", Decimal("0.74"), 150)),
    drivers=_drivers(
        "CH-ALP",
        ("00271828-4", "00314159-2", "00161803-9", "00141421-3"),
        ("Ladina Caflisch", "Urs Imhof", "Beatrice Frei", "Gian Derungs", "Noemi Wyss", "Reto Halter"),
        ("04A1B2C3D4E580", "04A1B2C3D4E581"),
    ),
    stranger="04FFEEDDCCBB80",
)

RHINE = Party(
    name="rhine",
    operator_id="DE*RHN",
    operator_name="Rheinstrom Laden GmbH",
    provider_id="DE-RHN",
    currency="EUR",
    hotline="+492215550173",
    points=_points(
        "DE*RHN",
        "DEU",
        (
            _Place("2001", "Köln Deutz", "Ottoplatz", "7", "50679", "Köln", 50.940900, 6.974600, 22),
            _Place("2002", "Koblenz Ufer", "Rheinzollstraße", "2", "56068", "Koblenz", 50.360800, 7.602800, 300),
            _Place("2003", "Mainz Zollhafen", "Rheinallee", "88", "55120", "Mainz", 50.015300, 8.259700, 22),
        ),
    ),
    products=(Product("AC22", Decimal("0.49"), 22), Product("DC300", Decimal("0.69"), 300)),
    drivers=_drivers(
        "DE-RHN",
        ("00577215-6", "00662607-0", "00693147-1", "00915965-5"),
        ("Katrin Böhm", "Mehmet Yilmaz", "Jonas Vogel", "Sabine Krüger", "Lena Hartmann", "Peter Klein"),
        ("04B7C6D5E4F390", "04B7C6D5E4F391"),
    ),
    stranger="04CCBBAA998891",
)

PARTIES = (ALPINE, RHINE)


def make_party(name: str, operator_id: str | None, provider_id: str | None) -> Party:
    """A party of a network file: one station where it is a CPO, drivers where it is an EMP."""
    place = _Place("1", f"{name} 1", "Lab street", "1", "60311", "Frankfurt am Main", 50.113600, 8.679700, 22)
    provider = provider_id or "XX-XXX"
    return Party(
        name=name,
        operator_id=operator_id or "",
        operator_name=name.capitalize(),
        provider_id=provider_id or "",
        currency="EUR",
        hotline="+4969123456",
        points=_points(operator_id, "DEU", (place,)) if operator_id else (),
        products=(Product("AC22", Decimal("0.49"), 22), Product("DC150", Decimal("0.69"), 150)),
        drivers=_drivers(
            provider,
            ("00271828-4", "00314159-2", "00161803-9", "00141421-3"),
            ("card", "other card", "code", "car", "app", "locked"),
            (_uid(provider, 0), _uid(provider, 1)),
        ),
        stranger="04FFEEDDCCBB80",
    )


def _uid(provider_id: str, number: int) -> str:
    """A card's UID of seven bytes, another one for each provider."""
    return f"04{provider_id.replace('-', '').encode().hex()[:10]:0<10}{number:02X}".upper()
