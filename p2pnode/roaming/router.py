"""Where a message goes: each destination with the reason it was chosen. No I/O, no state.

A rule per operation names candidates; the peer table then decides which of them may be sent the operation. The rules
are the same for messages of our own party and for those of a peer that we relay.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse, provider_key
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.oicp.scalars import ANY_PROVIDER
from p2pnode.oicp.status import Code
from p2pnode.roaming.media import provider_in
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.published_records import EvseOwner
from p2pnode.roaming.records import OWN


@dataclass(frozen=True, slots=True)
class Destination:
    """Who gets the message: a peer, or with `peer` None our own other role. `reason` is a sentence for people."""

    peer: PeerEntry | None
    reason: str

    @property
    def name(self) -> str:
        """The peer's name, `OWN` for our own role."""
        return self.peer.name if self.peer is not None else OWN


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the node has learned that bears on a route. Names are peer names, or `OWN`; None where nothing is known.

    `counterpart` is the other side of the message's session and `counterpart_id` its identifier, `evse_owner` who
    published the EVSE, `approved_by` who said yes to the medium before, `to` the peer the sender has named. `source` is
    the peer the message is relayed for, `reached` the ids of parties that have answered it already.
    """

    own: OwnParty
    counterpart: str | None = None
    counterpart_id: str = ""
    evse_owner: str | None = None
    approved_by: str | None = None
    to: str | None = None
    source: PeerEntry | None = None
    reached: Sequence[str] = ()


FROM_HUB_TO_HUB = "the other party is known through a hub only, and what comes from a hub goes to no other hub"

Rule = Callable[[Any, PeerTable, Knowledge], Iterable[Destination]]


def resolve(operation: AnyOperation, message: Any, peers: PeerTable, knowledge: Knowledge) -> Sequence[Destination]:  # noqa: ANN401 - the message of any operation
    """The destinations of a message, the likeliest first.

    Raises ProtocolError 300 where nobody is responsible, 210 where the peer table allows it to none of those who are.
    """
    if knowledge.to is not None:
        peer = peers.get(knowledge.to)
        candidates = [Destination(peer, "The sender named this peer.")] if peer is not None and peer.enabled else []
    else:
        candidates = list(RULES[operation](message, peers, knowledge))
    if knowledge.source is not None:
        others = [found for found in candidates if found.name != knowledge.source.name]
        candidates = [found for found in others if not comes_back(found.peer, knowledge.source)]
        if others and not candidates:
            raise ProtocolError(Code.PARTNER_NOT_FOUND, FROM_HUB_TO_HUB)
    if not candidates:
        raise ProtocolError(Code.PARTNER_NOT_FOUND, "no peer in the peer table is responsible")
    allowed = [found for found in candidates if found.peer is None or found.peer.may_send(operation)]
    if not allowed:
        names = ", ".join(found.name for found in candidates)
        reason = f"{operation.name} may not be sent to {names}: the setting `send` of the peer's entry forbids it"
        raise ProtocolError(Code.NO_VALID_CONTRACT, reason)
    return allowed


def comes_back(peer: PeerEntry | None, source: PeerEntry) -> bool:
    """Whether a relayed message would go back: to its source, or from one hub to another, which may know the first."""
    return peer is not None and (peer.name == source.name or (peer.hub and source.hub))


def _hubs(peers: PeerTable, claimed: str) -> list[Destination]:
    reason = f"No other peer claims {claimed}, and this one is a hub."
    return [Destination(peer, reason) for peer in peers.hubs]


def _named(name: str | None, peers: PeerTable, reason: str) -> list[Destination]:
    if name is None:
        return []
    if name == OWN:
        return [Destination(None, reason)]
    peer = peers.get(name)
    return [Destination(peer, reason)] if peer is not None and peer.enabled else []


def _of_provider(key: str, peers: PeerTable, own: OwnParty) -> list[Destination]:
    if key in own.keys[Role.EMP]:
        return [Destination(None, f"{key} is our own provider.")]
    peer = peers.by_provider(key)
    if peer is not None:
        return [Destination(peer, f"{key} is this peer's provider.")]
    return _hubs(peers, key)


def _of_operator(key: str, peers: PeerTable, own: OwnParty) -> list[Destination]:
    found = _with_operator(key, peers, own)
    return [found] if found is not None else _hubs(peers, key)


def _with_operator(key: str, peers: PeerTable, own: OwnParty) -> Destination | None:
    if key in own.keys[Role.CPO]:
        return Destination(None, f"{key} is our own operator.")
    peer = peers.by_operator(key)
    return Destination(peer, f"{key} is this peer's operator.") if peer is not None else None


def claimant(evse_id: str, peers: PeerTable, own: OwnParty) -> Destination | None:
    """Whose an EVSE is by the peer table: by the longest prefix, else by the operator in its EvseID; None: nobody's."""
    peer = peers.by_evse_prefix(evse_key(evse_id))
    if peer is not None:
        return Destination(peer, "The EvseID begins with one of its prefixes.")
    operator = operator_of_evse(evse_id)
    return _with_operator(operator, peers, own) if operator is not None else None


def publisher_of(published: Sequence[EvseOwner], peers: PeerTable, source: PeerEntry | None = None) -> str | None:
    """Whose an EVSE is by who has published it: ours, else an enabled peer's, a hub last: it shows those of others.

    A message of `source` that is relayed has no business with what it has published itself.
    """
    through_hub = None
    for found in published:
        peer = peers.get(found.owner)
        if source is not None and comes_back(peer, source):
            continue
        if found.owner == OWN or (peer is not None and peer.enabled and not peer.hub):
            return found.owner
        if through_hub is None and peer is not None and peer.enabled:
            through_hub = found.owner
    return through_hub


def is_foreign_to(source: Destination, evse_id: str, peers: PeerTable, own: OwnParty) -> bool:
    """Whether an EVSE is another party's than that of the peer, by the peer table; a hub shows those of all.

    Remote starts go to who has published an EVSE, so that nobody may publish those of somebody else.
    """
    if source.peer is not None and source.peer.hub:
        return False
    found = claimant(evse_id, peers, own)
    return found is not None and found.name != source.name


def _all_with(role: Role, peers: PeerTable, reason: str) -> list[Destination]:
    return [Destination(peer, reason) for peer in peers.with_role(role)]


def _authorize_start(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401 - as above
    provider = provider_in(message.identification)
    if provider is not None:
        return _of_provider(provider, peers, knowledge.own)
    everybody = _all_with(Role.EMP, peers, "A UID names no provider, so every EMP is asked.")
    if knowledge.own.providers:
        everybody.insert(0, Destination(None, "A UID names no provider, so our own EMP is asked too."))
    if knowledge.reached:
        everybody = _unasked(everybody, knowledge)
    first = [found for found in everybody if found.name == knowledge.approved_by]
    known = [Destination(found.peer, "It has said yes to this UID before.") for found in first]
    return [*known, *(found for found in everybody if found.name != knowledge.approved_by)]


def _unasked(destinations: Iterable[Destination], knowledge: Knowledge) -> list[Destination]:
    """Those that have not answered yet: a hub, or who has a provider that has not."""
    asked = {provider_key(text) for text in knowledge.reached}

    def providers(found: Destination) -> Iterable[str]:
        return knowledge.own.providers if found.peer is None else found.peer.providers

    return [
        found
        for found in destinations
        if (found.peer is not None and found.peer.hub)
        or not asked.issuperset(provider_key(text) for text in providers(found))
    ]


def _emp_of_session(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401, ARG001 - as above; every rule has the same form
    """The EMP of the session; where its peer is gone, whoever its provider is reached by now."""
    found = _named(knowledge.counterpart, peers, "It is the other party of the session.")
    if found or knowledge.counterpart is None or not knowledge.counterpart_id:
        return found
    return _of_provider(provider_key(knowledge.counterpart_id), peers, knowledge.own)


def _cpo_of_session(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401, ARG001 - as above
    """The CPO of the session; where its peer is gone, whoever its operator is reached by now."""
    found = _named(knowledge.counterpart, peers, "It is the other party of the session.")
    if found or knowledge.counterpart is None or not knowledge.counterpart_id:
        return found
    return _of_operator(operator_key(knowledge.counterpart_id), peers, knowledge.own)


def _remote(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401 - as above
    """By the session where there is one, else by who owns the charging point; a hub only where nobody else does."""
    if knowledge.counterpart is not None:
        return _cpo_of_session(message, peers, knowledge)
    owner = _named(knowledge.evse_owner, peers, "It has published this EVSE.")
    if owner and not (owner[0].peer is not None and owner[0].peer.hub):
        return owner
    found = claimant(message.evse_id, peers, knowledge.own)
    if found is not None:
        return [found]
    return owner or _hubs(peers, operator_of_evse(message.evse_id) or message.evse_id)


def _remote_stop(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401 - as above
    """By the session; one that a relay has not seen, by who owns the charging point."""
    known = knowledge.counterpart is not None or knowledge.source is not None
    return _remote(message, peers, knowledge) if known else []


def _all_emps(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401, ARG001 - as above
    return _all_with(Role.EMP, peers, "Published data goes to every EMP.")


def _emps_of_product(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401 - as above
    provider = message.pricing_product_data.provider_id
    if provider == ANY_PROVIDER:
        return _all_emps(message, peers, knowledge)
    return [found for found in _of_provider(provider_key(provider), peers, knowledge.own) if found.peer is not None]


def _all_cpos(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401, ARG001 - as above
    return _all_with(Role.CPO, peers, "Every CPO is asked.")


def _cpos_of(member: str) -> Rule:
    """The CPOs of the operators listed in a member of the message, every CPO where it lists none."""

    def rule(message: Any, peers: PeerTable, knowledge: Knowledge) -> list[Destination]:  # noqa: ANN401 - as above
        listed: Sequence[str] = getattr(message, member) or ()
        if not listed:
            return _all_cpos(message, peers, knowledge)
        found: dict[str, Destination] = {}
        for text in listed:
            for destination in _of_operator(operator_key(text), peers, knowledge.own):
                if destination.peer is not None:
                    found.setdefault(destination.name, destination)
        return list(found.values())

    return rule


RULES: Mapping[AnyOperation, Rule] = {
    ops.PUSH_EVSE_DATA: _all_emps,
    ops.PUSH_EVSE_STATUS: _all_emps,
    ops.PUSH_PRICING_PRODUCT_DATA: _emps_of_product,
    ops.PUSH_EVSE_PRICING: _all_emps,
    ops.PULL_AUTHENTICATION_DATA: _all_emps,
    ops.AUTHORIZE_START: _authorize_start,
    ops.AUTHORIZE_STOP: _emp_of_session,
    ops.CHARGING_NOTIFICATION_START: _emp_of_session,
    ops.CHARGING_NOTIFICATION_PROGRESS: _emp_of_session,
    ops.CHARGING_NOTIFICATION_END: _emp_of_session,
    ops.CHARGING_NOTIFICATION_ERROR: _emp_of_session,
    ops.CHARGE_DETAIL_RECORD: _emp_of_session,
    ops.PULL_EVSE_DATA: _cpos_of("operator_ids"),
    ops.PULL_EVSE_STATUS: _all_cpos,
    ops.PULL_EVSE_STATUS_BY_ID: _all_cpos,
    ops.PULL_EVSE_STATUS_BY_OPERATOR_ID: _cpos_of("operator_id"),
    ops.PULL_PRICING_PRODUCT_DATA: _cpos_of("operator_ids"),
    ops.PULL_EVSE_PRICING: _cpos_of("operator_ids"),
    ops.PUSH_AUTHENTICATION_DATA: _all_cpos,
    ops.AUTHORIZE_REMOTE_RESERVATION_START: _remote,
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP: _cpo_of_session,
    ops.AUTHORIZE_REMOTE_START: _remote,
    ops.AUTHORIZE_REMOTE_STOP: _remote_stop,
    ops.GET_CHARGE_DETAIL_RECORDS: _cpos_of("operator_id"),
}
