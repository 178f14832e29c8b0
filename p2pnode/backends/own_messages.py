"""What our own party sends without OICP: messages of built-in backends and plug-ins, calls by hand, files."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, TypeVar, cast
from uuid import uuid4

from p2pnode.config.node import NodeSection
from p2pnode.config.peers import PeerTable
from p2pnode.oicp import rules
from p2pnode.oicp.answers import code_of, refusal
from p2pnode.oicp.codec import encode, read, reason
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.errors import InvalidMessage, PeerError, ProtocolError
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Operation
from p2pnode.oicp.status import Code
from p2pnode.roaming.evse_import import EvseImport, ImportReport
from p2pnode.roaming.explain import Explanation, Question, explain
from p2pnode.roaming.naming import find_peer
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.services import Roaming
from p2pnode.roaming.store_ports import Store

Answer = TypeVar("Answer", bound=OicpModel)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What our own party gets for a message it sends: HTTP status, OICP code, the answer's JSON, duration in ms."""

    http: int
    code: str
    answer: bytes
    ms: float


def _new_id() -> str:
    return str(uuid4())


class OwnMessages:
    """The messages of our own party that do not come over the backend face, and where they would go.

    `roaming` and `store` give the parts of a node that runs: backends are made before them.
    """

    def __init__(
        self,
        node: NodeSection,
        peers: Callable[[], PeerTable],
        roaming: Callable[[], Roaming],
        store: Callable[[], Store],
    ) -> None:
        self._node = node
        self._peers = peers
        self._roaming = roaming
        self._store = store

    async def send(self, operation: Operation[Any, Answer], message: OicpModel, *, to: str | None = None) -> Answer:
        """Send a message of our own party; the answer is what the hub would have answered.

        Raises ProtocolError where this node refuses it, PeerError where no peer could be asked.
        """
        body = encode(message)
        envelope = split(operation, body)
        outgoing = Outgoing(operation, envelope.message, body, _new_id(), records=envelope.records, to=to)
        answer = await self._roaming().send(outgoing)
        return read(operation.answer, answer) if isinstance(answer, bytes) else cast("Answer", answer)

    async def call(
        self,
        operation: AnyOperation,
        body: bytes,
        *,
        to: str | None = None,
        page: PageRequest | None = None,
        process_id: str | None = None,
    ) -> CallResult:
        """Send the message in `body` as our own backend would, and answer as the hub would, refusals included."""
        begun = perf_counter()
        message: OicpModel | None = None
        try:
            envelope = split(operation, body)
            message = envelope.message
            broken = rules.errors_in(rules.check(envelope.message))
            if broken:
                raise InvalidMessage(reason(broken), broken)
            outgoing = Outgoing(
                operation,
                message,
                body,
                process_id or _new_id(),
                records=envelope.records,
                page=page or PageRequest(),
                to=self.peer_named(operation, to),
            )
            answer = await self._roaming().send(outgoing)
            http, code = HTTPStatus.OK, code_of(answer) if isinstance(answer, OicpModel) else "000"
        except ProtocolError as error:
            http, answer = refusal(operation, error, message)
            code = error.code.value
        except PeerError as error:
            http, answer = refusal(operation, ProtocolError(error.code, str(error)), message)
            code = error.code.value
        told = answer if isinstance(answer, bytes) else encode(answer)
        return CallResult(http.value, code, told, (perf_counter() - begun) * 1000)

    def peer_named(self, operation: AnyOperation, to: str | None) -> str | None:
        """The name of the peer that `to` names: by its name, or by an id of the role that answers the operation.

        Raises ProtocolError 300 where there is none.
        """
        return None if to is None else find_peer(self._peers(), operation.callee, to)

    async def route(self, question: Question) -> Explanation:
        """Where a message of our own party would go, and why. Raises ValueError as `explain` does."""
        own = OwnParty(self._node.operators, self._node.providers)
        relay = self._node.relay
        return await explain(question, own, self._peers(), self._store(), relay=relay)

    async def import_evse_data(self, file: bytes) -> ImportReport:
        """Publish the EVSE data records of a file. Raises ProtocolError where it holds none or none is taken."""
        return await self._importer().data(file)

    async def import_evse_status(self, file: bytes) -> ImportReport:
        """Publish the EVSE status records of a file. Raises as `import_evse_data`."""
        return await self._importer().status(file)

    def _importer(self) -> EvseImport:
        if not self._node.operators:
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, "this node has no OperatorID: only a CPO publishes EVSEs")
        return EvseImport(self._node.operators, self._store(), self._roaming().send, _new_id)
