"""Records of the roaming services as rows of their tables, and back."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

from sqlalchemy import ColumnElement, Table

from p2pnode.roaming.outbox_records import BreakerRecord, DeliveryRecord, QueuedRecord, ReachedRecord
from p2pnode.roaming.published_records import AuthenticationRecord, EvsePricingRecord, ProductRecord, StatusRecord
from p2pnode.roaming.records import CdrRecord, CdrReview, ReceiptRecord, SessionEvent, SessionRecord
from p2pnode.store import tables
from p2pnode.store.errors import Damaged
from p2pnode.store.values import codec

R = TypeVar("R")
V = TypeVar("V")


class Rows(Generic[R]):
    """One kind of record and its table, which has a column for each attribute.

    Queries read `columns`, in the order of the attributes; statements write `names`, in the order of the table.
    `columns` is given where they are not simply those of the table with the names of the attributes.
    """

    def __init__(self, kind: type[R], table: Table, columns: Sequence[ColumnElement[Any]] | None = None) -> None:
        self.table = table
        self._kind = kind
        hints = get_type_hints(kind)
        self._attributes: tuple[str, ...] = tuple(hints)
        self.columns: tuple[ColumnElement[Any], ...] = tuple(columns or (table.c[name] for name in hints))
        self.names: tuple[str, ...] = tuple(column.name for column in table.c if column.name in hints)
        self._values = attrgetter(*self.names)
        accepted = {name: _accepted(hint) for name, hint in hints.items()}
        codecs = {name: codec(next(kind for kind in kinds if kind is not NoneType)) for name, kinds in accepted.items()}
        self._encoders = [(i, encode) for i, name in enumerate(self.names) if (encode := codecs[name].encode)]
        self._decoders = [(i, way.decode) for i, way in enumerate(codecs.values()) if way.decode]
        self._stored = [
            {way.stored, NoneType} if NoneType in accepted[name] else {way.stored} for name, way in codecs.items()
        ]
        self._shapes: set[tuple[type, ...]] = set()

    def encode(self, record: R) -> tuple[Any, ...]:
        """What to write into the columns `names`."""
        values = list(self._values(record))
        for i, encode in self._encoders:
            if values[i] is not None:
                values[i] = encode(values[i])
        return tuple(values)

    def decode(self, row: Any) -> R:  # noqa: ANN401 - a row of the driver or of SQLAlchemy
        """The record of a row of `columns`. Raises Damaged where it is not one that `encode` makes."""
        values = list(row)
        shape = tuple(map(type, values))
        if shape not in self._shapes:
            self._learn(shape)
        try:
            for i, decode in self._decoders:
                if values[i] is not None:
                    values[i] = decode(values[i])
        except (ArithmeticError, ValueError) as error:
            raise Damaged(f"a row of {self.table.name} cannot be read ({type(error).__name__})") from None
        return self._kind(*values)

    def _learn(self, shape: tuple[type, ...]) -> None:
        """Remember which types the columns of a good row have, so that each such combination is checked once."""
        for name, found, allowed in zip(self._attributes, shape, self._stored, strict=True):
            if found not in allowed:
                raise Damaged(f"a row of {self.table.name} cannot be read ({name} is {found.__name__})")
        self._shapes.add(shape)


def checked(kind: type[V], values: Iterable[object], table: Table) -> list[V]:
    """Values of one column, which all have this type. Raises Damaged."""
    found: list[V] = []
    for value in values:
        if not isinstance(value, kind):
            raise Damaged(f"a row of {table.name} cannot be read (a value is {type(value).__name__})")
        found.append(value)
    return found


def _accepted(hint: Any) -> tuple[type, ...]:  # noqa: ANN401 - an annotation
    return cast("tuple[type, ...]", get_args(hint)) if isinstance(hint, UnionType) else (hint,)


SESSIONS = Rows(SessionRecord, tables.session)
EVENTS = Rows(SessionEvent, tables.session_event)
CDRS = Rows(CdrRecord, tables.cdr)
RECEIPTS = Rows(ReceiptRecord, tables.receipt)
OUTBOX = Rows(QueuedRecord, tables.outbox)
BREAKERS = Rows(BreakerRecord, tables.breaker)
DELIVERIES = Rows(DeliveryRecord, tables.delivery)
REACHED = Rows(ReachedRecord, tables.reached)
REVIEWS = Rows(CdrReview, tables.cdr_review)
STATUSES = Rows(StatusRecord, tables.status)
PRODUCTS = Rows(ProductRecord, tables.product)
EVSE_PRICING = Rows(EvsePricingRecord, tables.evse_pricing)
AUTHENTICATION = Rows(AuthenticationRecord, tables.authentication)
