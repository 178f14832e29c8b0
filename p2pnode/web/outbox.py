"""The outbox at the admin face: what waits, what has been given up, and what a person does about it."""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from p2pnode.node import Node
from p2pnode.roaming.outbox_records import QueueState
from p2pnode.roaming.records import OWN
from p2pnode.web.guard import Refusal
from p2pnode.web.peer_names import name_of, no_such_peer, unknown_among
from p2pnode.web.queries import id_in
from p2pnode.web.queries import json_answer as _json
from p2pnode.web.shapes import queued_shape

LISTED: Final = 1000


class OutboxRoutes:
    """`/api/outbox` and what is below it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def routes(self) -> list[web.RouteDef]:
        """For the admin face's application."""
        return [
            web.get("/api/outbox", self._list),
            web.get("/api/outbox/{number}", self._show),
            web.post("/api/outbox/requeue", self._requeue_dead),
            web.post("/api/outbox/{number}/requeue", self._requeue),
            web.post("/api/outbox/{number}/drop", self._drop),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        """The oldest messages, of `?peer=` (empty: our own backend) and `?state=` where they are given."""
        state = request.query.get("state")
        if state is not None and state not in set(QueueState):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"there is no state {state!r}", "state is waiting or dead")
        asked, peers = request.query.get("peer"), self._node.peers.current()
        name = name_of(peers, asked) if asked else asked
        found = await self._node.store.outbox(name, QueueState(state) if state else None, LISTED)
        if not found and (unknown := unknown_among(peers, asked)) is not None:
            raise Refusal(HTTPStatus.NOT_FOUND, *no_such_peer(peers, unknown))
        return _json({"messages": [queued_shape(record) for record in found]})

    async def _show(self, request: web.Request) -> web.Response:
        record = await self._node.store.outbox_message(id_in(request, _missing()))
        if record is None:
            raise _missing()
        return _json(queued_shape(record, whole=True))

    async def _requeue(self, request: web.Request) -> web.Response:
        """Try a message again: a dead letter behind all others of its lane, one that waits at once."""
        number = id_in(request, _missing())
        queued = await self._node.roaming.outbox.requeue(number)
        if queued is None:
            raise _missing()
        return _json({"requeued": number, "number": queued})

    async def _requeue_dead(self, request: web.Request) -> web.Response:
        """Try all dead letters of `?peer=` again (empty: of our own backend)."""
        asked, peers = request.query.get("peer"), self._node.peers.current()
        if asked is None:
            raise Refusal(HTTPStatus.BAD_REQUEST, "no peer is named")
        count = await self._node.roaming.outbox.requeue_dead(name_of(peers, asked) if asked else OWN)
        if not count and (unknown := unknown_among(peers, asked)) is not None:
            raise Refusal(HTTPStatus.NOT_FOUND, *no_such_peer(peers, unknown))
        return _json({"requeued": count})

    async def _drop(self, request: web.Request) -> web.Response:
        """Forget a message."""
        number = id_in(request, _missing())
        if not await self._node.roaming.outbox.drop(number):
            raise _missing()
        return _json({"dropped": number})


def _missing() -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, "there is no such message", "`p2pnode outbox list` lists them")
