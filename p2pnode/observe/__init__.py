"""Logs, metrics, events and status of a node."""

from p2pnode.observe.events import Event, EventBus, Subscription
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.masking import mask_evco, mask_uid, masked
from p2pnode.observe.metrics import NodeMetrics
from p2pnode.observe.observer import Observer
from p2pnode.observe.status import NodeStatus, PeerHealth, PeerStatus

__all__ = [
    "Event",
    "EventBus",
    "NodeLog",
    "NodeMetrics",
    "NodeStatus",
    "Observer",
    "PeerHealth",
    "PeerStatus",
    "Subscription",
    "mask_evco",
    "mask_uid",
    "masked",
]
