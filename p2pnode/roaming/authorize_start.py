"""Sending an AuthorizeStart, or relaying one: pushed authentication data first, then whoever may know the driver."""

from msgspec.structs import replace

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizeStart
from p2pnode.oicp.codec import replace_members
from p2pnode.oicp.errors import ProtocolError, Refused
from p2pnode.oicp.identifiers import Standard, parse_session, provider_key, session_key
from p2pnode.oicp.operations import AUTHORIZE_START, PUSH_AUTHENTICATION_DATA, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import Reply, ask
from p2pnode.roaming.broadcast import Outcome, first_yes, watched
from p2pnode.roaming.media import REFUSALS, Medium, MediumKind, body_without_pin, medium_of
from p2pnode.roaming.offline import decide
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.recent import Recent
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, SessionState, Verb
from p2pnode.roaming.router import Destination, Knowledge, resolve
from p2pnode.roaming.sessions import require_between
from p2pnode.roaming.starts import Mint, from_reservation, same_start, session_of, start_answer, yes
from p2pnode.roaming.store_ports import Transaction
from p2pnode.roaming.succession import is_closed_to
from p2pnode.roaming.visibility import own_keys


class StartSender:
    """The CPO's side of AuthorizeStart. Remembers which provider said yes to which card."""

    def __init__(self, party: Party, mint: Mint) -> None:
        self._party = party
        self._mint = mint
        self._learned: Recent[Medium, str] = Recent(party.limits.learned_uids)

    async def send(self, outgoing: Outgoing[AuthorizeStart]) -> AuthorizationStart:
        """eRoamingAuthorizeStart of our CPO, or of a peer's: by pushed authentication data, else by asking around.

        The session is stored as authorized before the answer. Raises ProtocolError with the most useful reason where
        nobody says yes.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.operator_id)
        session_id = message.session_id
        if session_id is None and outgoing.source is not None:
            session_id = await self._mint.session_id(message, outgoing.source.name)
        known = await party.store.session(session_key(session_id)) if session_id else None
        session_id = session_id or party.new_session_id()
        if known is not None and known.state is not SessionState.RESERVED:
            return start_answer(yes(), message, same_start(known, message, outgoing.sender, party.now()))
        if known is not None:
            require_between(known, cpo=outgoing.sender)
        verdict = await decide(party, message.identification, party.now(), outgoing.sender)
        if verdict is not None and verdict.refusal is not None:
            raise ProtocolError(verdict.refusal, "by the authentication data the provider has published")
        if verdict is not None and verdict.record is not None:
            record = verdict.record
            session = session_of(
                message,
                session_id,
                cpo=outgoing.sender,
                emp=record.owner,
                provider_id=record.provider_id,
                at=party.now(),
                lifetime=party.limits.authorized,
                by_push=True,
            )
            return start_answer(yes(), message, await self._commit(session, session_id, outgoing, known))
        outcome = await self._ask_around(outgoing, session_id, caller_id, known)
        if outcome.winner is None:
            best = outcome.most_useful()
            code = best.code if best is not None else Code.NO_POSITIVE_AUTHENTICATION
            reason = best.reason if best is not None else "nobody answered"
            if outgoing.source is not None and best is not None and best.answer is None:
                reason = "nobody said yes"  # where a call failed is not for other peers
            raise ProtocolError(code, reason)
        session = await self._keep(outcome.winner, outgoing, session_id, known)
        self._watch(outcome, session)
        return start_answer(outcome.winner.answer, message, session)

    async def _ask_around(
        self, outgoing: Outgoing[AuthorizeStart], session_id: str, caller_id: str, known: SessionRecord | None
    ) -> Outcome:
        """What those say who may know the driver: the provider that knew the card before, then all others, then hubs.

        A hub may ask parties that we have asked ourselves, so it is asked once they have said no, and is told whom
        we have asked.
        """
        party, message, body = self._party, outgoing.message, outgoing.body
        medium = medium_of(message.identification)
        card = medium if medium is not None and medium.kind is MediumKind.RFID else None
        approved_by = self._learned.get(card) if card is not None else None
        destinations = self._destinations(outgoing, medium, approved_by, known)
        if message.session_id is None:
            body = replace_members(body, {"SessionID": session_id})
            message = message.model_copy(update={"session_id": session_id})

        answered: list[str] = []

        async def ask_one(destination: Destination, deadline: float) -> Reply:
            peer = destination.peer
            is_hub = peer is not None and peer.hub
            going = replace(outgoing, reached=(*outgoing.reached, *answered)) if is_hub and answered else outgoing
            reply = await ask(
                party, destination, going, caller_id=caller_id, body=body, message=message, deadline=deadline
            )
            if peer is not None and is_hub:
                self._require_voice(peer, reply.answer)
            else:
                answered.extend(party.own.providers if peer is None else peer.providers)
            return reply

        ahead = [1] if approved_by is not None and destinations[0].name == approved_by else []
        if party.peers().hubs:
            rest = destinations[len(ahead) :]
            direct = sum(destination.peer is None or not destination.peer.hub for destination in rest)
            ahead += [direct] if direct else []
        outcome = await first_yes(
            destinations,
            ask_one,
            deadline=party.limits.authorize_deadline,
            head_start=party.limits.learned_head_start if ahead else 0.0,
            ahead=ahead,
        )
        if card is not None and outcome.winner is not None:
            self._learned.put(card, outcome.winner.destination.name)
        elif card is not None and any(no.destination.name == approved_by and no.answer for no in outcome.refusals):
            self._learned.drop(card)
        return outcome

    def _require_voice(self, hub: PeerEntry, answer: AuthorizationStart) -> None:
        """Raise Refused where a hub says yes for our own EMP, or for a peer that it does not speak for."""
        named = answer.provider_id if answer.authorized else None
        if named and (self._party.own.is_own(Role.EMP, named) or is_closed_to(self._party, hub, Role.EMP, named)):
            told = f"it says yes for {named!r:.100}, which is reached directly: through_hub of its entry is not true"
            raise Refused(hub.name, told, Code.NO_POSITIVE_AUTHENTICATION)

    def _destinations(
        self,
        outgoing: Outgoing[AuthorizeStart],
        medium: Medium | None,
        approved_by: str | None,
        known: SessionRecord | None,
    ) -> list[Destination]:
        """Who can be asked. Raises ProtocolError where nobody can.

        An EMP without a URL only publishes authentication data; what it has not published it does not know.
        """
        peers = self._party.peers()
        to = known.emp if known is not None and known.emp != OWN else outgoing.to
        knowledge = Knowledge(
            self._party.own, approved_by=approved_by, to=to, source=outgoing.source, reached=outgoing.reached
        )
        found = resolve(AUTHORIZE_START, outgoing.message, peers, knowledge)
        reachable = [destination for destination in found if destination.peer is None or destination.peer.url]
        if reachable:
            open_until = self._party.breakers.open_until
            there = [found for found in reachable if found.peer is None or open_until(found.peer.name) is None]
            return there or reachable
        publishes = any(
            destination.peer is not None and destination.peer.may_receive(PUSH_AUTHENTICATION_DATA)
            for destination in found
        )
        code = REFUSALS[medium.kind] if publishes and medium is not None else Code.SERVICE_NOT_AVAILABLE
        raise ProtocolError(code, "no EMP can be asked, and none has published this medium")

    async def _keep(
        self, reply: Reply, outgoing: Outgoing[AuthorizeStart], sent_id: str, known: SessionRecord | None
    ) -> SessionRecord:
        """Store the session a provider authorized, under the SessionID it insists on where that is valid and free."""
        answer: AuthorizationStart = reply.answer
        follows = known is None and answer.session_id is not None and _is_valid(answer.session_id)
        session = session_of(
            outgoing.message,
            answer.session_id if follows and answer.session_id else sent_id,
            cpo=outgoing.sender,
            emp=reply.destination.name,
            provider_id=self._provider_of(reply),
            at=self._party.now(),
            lifetime=self._party.limits.authorized,
            emp_partner_session_id=answer.emp_partner_session_id,
        )
        return await self._commit(session, sent_id, outgoing, known)

    def _provider_of(self, reply: Reply) -> str:
        """The provider that authorized: the one the answer names if it is the peer's, else the peer's first."""
        named: str | None = reply.answer.provider_id
        peer = reply.destination.peer
        if peer is None:
            return named or self._party.own.providers[0]
        if named and (peer.hub or provider_key(named) in own_keys(peer, Role.EMP)):
            return named
        return peer.providers[0] if peer.providers else ""

    async def _commit(
        self,
        session: SessionRecord,
        sent_id: str,
        outgoing: Outgoing[AuthorizeStart],
        reservation: SessionRecord | None,
    ) -> SessionRecord:
        """Put the session on disk; returns it under the SessionID it has got."""
        body = body_without_pin(outgoing.message.identification, outgoing.body)
        sent = (session_key(sent_id), sent_id)

        def event(kept: SessionRecord) -> SessionEvent:
            at, emp = kept.updated_at, kept.emp
            return SessionEvent(kept.key, at, AUTHORIZE_START.name, Verb.SEND, emp, Code.SUCCESS, body)

        def take_up(transaction: Transaction) -> SessionRecord:
            kept = session
            taken = transaction.session(kept.key)
            if taken is not None and kept.key != sent[0]:
                kept = replace(session, key=sent[0], session_id=sent[1])
                taken = transaction.session(kept.key)
            if taken is not None:
                if reservation is None:  # the same start was sent again while this one was asked for
                    return same_start(taken, outgoing.message, outgoing.sender, kept.updated_at)
                kept = from_reservation(taken, kept)
            transaction.put_session(kept)
            transaction.add_event(event(kept))
            return kept

        if await self._party.store.start(session, event(session)) is None:
            return session
        return await self._party.store.write(take_up)

    def _watch(self, outcome: Outcome, session: SessionRecord) -> None:
        """Record later approvals as surplus: their providers hold an authorization that nobody will use."""
        party = self._party

        async def note(reply: Reply) -> None:
            event = SessionEvent(
                session.key,
                party.now(),
                "AuthorizeStart (surplus approval)",
                Verb.SEND,
                reply.destination.name,
                Code.SUCCESS,
                reply.body,
            )
            await party.store.write(lambda transaction: transaction.add_event(event))

        for reply in outcome.surplus:
            party.background.start(note(reply), "surplus authorization")
        if outcome.running:
            party.background.start(watched(outcome.running, note), "late authorizations")


def _is_valid(session_id: str) -> bool:
    return parse_session(session_id).standard is not Standard.OTHER
