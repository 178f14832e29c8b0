"""Where a message of our own party would go, and why: the router asked without a message, and nothing sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identification import Identification, RemoteIdentification, RFIDMifareFamilyIdentification
from p2pnode.oicp.identifiers import evco_key, evse_key, session_key, uid_key
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.oicp.scalars import ANY_PROVIDER
from p2pnode.oicp.status import Code
from p2pnode.roaming.media import MediumKind
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.records import OWN
from p2pnode.roaming.router import Destination, Knowledge, publisher_of, resolve
from p2pnode.roaming.sessions import require_between
from p2pnode.roaming.store_ports import Store

OF_A_SESSION = frozenset(
    {
        ops.AUTHORIZE_STOP,
        ops.CHARGING_NOTIFICATION_START,
        ops.CHARGING_NOTIFICATION_PROGRESS,
        ops.CHARGING_NOTIFICATION_END,
        ops.CHARGING_NOTIFICATION_ERROR,
        ops.CHARGE_DETAIL_RECORD,
        ops.AUTHORIZE_REMOTE_STOP,
        ops.AUTHORIZE_REMOTE_RESERVATION_STOP,
    }
)
AT_AN_EVSE = frozenset({ops.AUTHORIZE_REMOTE_START, ops.AUTHORIZE_REMOTE_RESERVATION_START})
PUBLISHED = "It has published authentication data for this medium: by that the node decides, and asks nobody."
"""Why an AuthorizeStart is not sent."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of the message; a provider is that of a pricing product, operators those a pull names.

    `source` is the name of the peer that sends it, for a node that relays; None: our own party sends it.
    """

    operation: AnyOperation
    evse_id: str | None = None
    evco_id: str | None = None
    uid: str | None = None
    operators: tuple[str, ...] = ()
    provider: str | None = None
    session_id: str | None = None
    source: str | None = None

    def lacks(self) -> str:
        """What the route depends on and is not known; empty where all of it is."""
        if self.operation in OF_A_SESSION and not self.session_id:
            return "a SessionID"
        if self.operation in AT_AN_EVSE and not self.evse_id:
            return "an EvseID"
        if self.operation is ops.AUTHORIZE_START and not (self.uid or self.evco_id):
            return "a UID or an EvcoID"
        return ""


@dataclass(frozen=True, slots=True)
class Hop:
    """Who would get the message, empty for our own other role; its OICP base; and why, as a sentence."""

    peer: str
    url: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The hops, the likeliest first; or why there are none, as the hub's status code and a sentence."""

    operation: str
    hops: tuple[Hop, ...]
    code: str = Code.SUCCESS.value
    reason: str = ""


async def explain(
    question: Question, own: OwnParty, peers: PeerTable, store: Store, *, relay: bool = False
) -> Explanation:
    """Where the message would go. Raises ValueError where the question lacks what the route depends on.

    Which provider said yes to a UID before is known to the running node only, and is not considered.
    """
    operation = question.operation
    if question.lacks():
        message = f"the route of {operation.name} depends on {question.lacks()}"
        raise ValueError(message)
    source = peers.get(question.source) if question.source is not None else None
    if question.source is not None and (source is None or not relay):
        reason = "this node does not relay" if source is not None else f"no peer is called {question.source!r:.100}"
        return Explanation(operation.name, (), Code.PARTNER_NOT_FOUND.value, reason)
    if source is None and not own.ids(operation.caller):
        reason = f"this node plays no {operation.caller}"
        return Explanation(operation.name, (), Code.UNAUTHORIZED_ACCESS.value, reason)
    try:
        found = await _published(question, peers, store) or resolve(
            operation, _message(question), peers, await _knowledge(question, own, peers, store, source)
        )
    except ProtocolError as error:
        return Explanation(operation.name, (), error.code.value, error.reason)
    hops = (Hop(hop.name, hop.peer.url if hop.peer is not None else None, hop.reason) for hop in found)
    return Explanation(operation.name, tuple(hops))


async def _knowledge(
    question: Question, own: OwnParty, peers: PeerTable, store: Store, source: PeerEntry | None
) -> Knowledge:
    """What the node has learned that bears on the question.

    Raises ProtocolError 400 for a session that is not the sender's.
    """
    counterpart = owner = None
    identifier = ""
    if question.session_id:
        session = await store.session(session_key(question.session_id))
        side = source.name if source is not None else OWN
        if question.operation.caller is Role.CPO:
            found = require_between(session, cpo=side)
            counterpart, identifier = found.emp, found.provider_id
        else:
            found = require_between(session, emp=side)
            counterpart, identifier = found.cpo, found.operator_id
    if question.evse_id:
        published = await store.evse_owners(evse_key(question.evse_id))
        owner = publisher_of(published, peers, source)
    return Knowledge(own, counterpart, identifier, evse_owner=owner, source=source)


async def _published(question: Question, peers: PeerTable, store: Store) -> Sequence[Destination]:
    """Who has vouched for the medium of an AuthorizeStart."""
    if question.operation is not ops.AUTHORIZE_START:
        return ()
    if question.uid:
        records = await store.authentication(MediumKind.RFID, uid_key(question.uid))
    else:
        key = evco_key(question.evco_id or "")
        codes = await store.authentication(MediumKind.QR_CODE, key)
        records = [*codes, *await store.authentication(MediumKind.PLUG_AND_CHARGE, key)]
    owners = [peers.get(name) for name in dict.fromkeys(record.owner for record in records)]
    return [
        Destination(peer, PUBLISHED)
        for peer in owners
        if peer is not None and peer.enabled and peer.may_receive(ops.PUSH_AUTHENTICATION_DATA)
    ]


def _message(question: Question) -> SimpleNamespace:
    """What the rules of the router read of a message."""
    if question.uid:
        identification = Identification(
            rfid_mifare_family_identification=RFIDMifareFamilyIdentification(uid=question.uid)
        )
    else:
        contract = RemoteIdentification(evco_id=question.evco_id or "")
        identification = Identification(remote_identification=contract)
    members: Mapping[str, object] = {
        "evse_id": question.evse_id,
        "identification": identification,
        "operator_id": question.operators,
        "operator_ids": question.operators,
        "pricing_product_data": SimpleNamespace(provider_id=question.provider or ANY_PROVIDER),
    }
    return SimpleNamespace(**members)
