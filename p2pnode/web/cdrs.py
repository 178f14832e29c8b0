"""The admin face's routes for CDRs: found, shown, compared with a peer, and those kept for a person."""

from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from p2pnode.node import Node
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.codec import decode, members_of, read
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import Role
from p2pnode.oicp.rules import errors_in
from p2pnode.roaming.cdr_pages import EARLIEST
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.records import OWN, CdrFilter, CdrReview, PageRequest
from p2pnode.web.guard import Refusal
from p2pnode.web.peer_names import name_of, no_such_peer, unknown_among
from p2pnode.web.queries import id_in, json_answer, moment_of, number_in
from p2pnode.web.shapes import cdr_shape, review_shape

LATEST: Final = datetime.max.replace(tzinfo=UTC)
LISTED: Final = 100
FLAGS: Final = {None: None, "true": True, "false": False}


class CdrRoutes:
    """The routes below `/api/cdrs`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/api/cdrs", self._list),
            web.get("/api/cdrs/reviews", self._reviews),
            web.get("/api/cdrs/reviews/{number}", self._review),
            web.post("/api/cdrs/reviews/{number}/drop", self._drop),
            web.post("/api/cdrs/reconcile", self._reconcile),
            web.post("/api/cdrs/check", self._check),
            web.get("/api/cdrs/{session}", self._show),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        """CDRs in the order in which they came: `?from=&to=&cpo=&emp=&forwarded=&page=&size=`; no peer is our side."""
        query = request.query
        if query.get("forwarded") not in FLAGS:
            raise Refusal(HTTPStatus.BAD_REQUEST, "forwarded is true or false")
        peers, cpo, emp = self._node.peers.current(), self._side(query.get("cpo")), self._side(query.get("emp"))
        wanted = CdrFilter(
            emp=emp,
            provider_keys=None,
            from_=moment_of("from", query.get("from"), EARLIEST),
            to=moment_of("to", query.get("to"), LATEST),
            cpo=cpo,
            forwarded=FLAGS[query.get("forwarded")],
        )
        size = number_in(request, "size", LISTED, least=1)
        found = await self._node.store.cdrs(wanted, PageRequest(number_in(request, "page", 0, least=0), size))
        if not found.total and (unknown := unknown_among(peers, cpo, emp)) is not None:
            raise Refusal(HTTPStatus.NOT_FOUND, *no_such_peer(peers, unknown))
        return json_answer({"total": found.total, "cdrs": [cdr_shape(record) for record in found.records]})

    def _side(self, asked: str | None) -> str | None:
        """The side of a session that is asked for: the name of a peer, or our own, which also our own ids name."""
        if not asked:
            return asked
        own = OwnParty(self._node.config.node.operators, self._node.config.node.providers)
        return OWN if any(own.is_own(role, asked) for role in Role) else name_of(self._node.peers.current(), asked)

    async def _show(self, request: web.Request) -> web.Response:
        record = await self._node.store.cdr(session_key(request.match_info["session"]))
        if record is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "no CDR of this session is stored", "`p2pnode cdr list` lists them")
        return json_answer(cdr_shape(record))

    async def _check(self, request: web.Request) -> web.Response:
        """What would be found wrong with the CDR in the body, were it sent."""
        try:
            found = await self._node.roaming.check_cdr(read(ChargeDetailRecord, await request.read()))
        except InvalidMessage as error:
            found = error.violations or (Violation("", "json", error.reason),)
        return json_answer({"valid": not errors_in(found), "violations": [asdict(each) for each in found]})

    async def _reviews(self, request: web.Request) -> web.Response:
        del request
        return json_answer({"reviews": [review_shape(review) for review in await self._node.store.cdr_reviews()]})

    async def _review(self, request: web.Request) -> web.Response:
        review = await self._kept(request)
        kept = await self._node.store.cdr(review.session_key)
        shape = review_shape(review)
        return json_answer(shape if kept is None else {**shape, "accepted": cdr_shape(kept)})

    async def _drop(self, request: web.Request) -> web.Response:
        review = await self._kept(request)
        dropped = await self._node.store.write(lambda transaction: transaction.drop_cdr_review(review.id))
        return json_answer({"dropped": dropped, "session_id": review.session_id})

    async def _kept(self, request: web.Request) -> CdrReview:
        hint = "`p2pnode cdr review list` lists them"
        missing = Refusal(HTTPStatus.NOT_FOUND, "no CDR is kept under this number", hint)
        for review in await self._node.store.cdr_reviews(id_in(request, missing)):
            return review
        raise missing

    async def _reconcile(self, request: web.Request) -> web.Response:
        """Compare with `peer` from `from` to `to`; with `fetch` what we lack is fetched, too."""
        asked = members_of(decode(await request.read()))
        peers, name = self._node.peers.current(), str(asked.get("peer") or "")
        from_ = moment_of("from", asked.get("from"), EARLIEST)
        to = moment_of("to", asked.get("to"), self._node.now())
        if from_ >= to:
            raise Refusal(HTTPStatus.BAD_REQUEST, "from is not before to")
        try:
            found = await self._node.roaming.reconcile(name_of(peers, name), from_, to)
        except LookupError:
            raise Refusal(HTTPStatus.NOT_FOUND, *no_such_peer(peers, name)) from None
        fetched = await self._node.roaming.fetch_missing(found) if asked.get("fetch") is True else 0
        shape = asdict(found)
        shape["from"] = shape.pop("from_")
        return json_answer({**shape, "agrees": found.agrees, "fetched": fetched})
