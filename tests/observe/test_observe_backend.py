"""Messages between the node and its own backend are told and counted, and are no messages of a peer."""

import io
from datetime import UTC, datetime

from p2pnode.config.node import LogSection
from p2pnode.observe.events import EventBus
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.metrics import NodeMetrics
from p2pnode.observe.observer import Observer
from p2pnode.roaming.records import CallOutcome, Verb

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CALL = CallOutcome("AuthorizeStart", Verb.RECEIVE, "backend", 200, "000", 3.0, "id-1", AT)


def test_a_message_of_the_backend_is_logged_and_counted_but_in_no_cell_and_no_peer() -> None:
    written = io.StringIO()
    metrics = NodeMetrics("1")
    observer = Observer(NodeLog(LogSection(), "node", written), metrics, EventBus(), lambda: AT)
    observer.backend_call(CALL)
    assert "<- backend AuthorizeStart 000" in written.getvalue()
    assert (
        b'p2pnode_backend_calls_total{code="000",operation="AuthorizeStart",verb="receive"} 1.0' in metrics.exposition()
    )
    assert metrics.cells()["AuthorizeStart"] == {"sent": 0, "received": 0}
    assert observer.health("backend").received == 0
    (event,) = observer.events.recent()
    assert (event.kind, event.call) == ("backend", CALL)
