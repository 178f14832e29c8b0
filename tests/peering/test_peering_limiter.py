"""What one peer may ask at once and per second."""

import pytest

from p2pnode.config.node import LimitsSection
from p2pnode.oicp.errors import ProtocolError
from p2pnode.peering.limiter import PeerLimiter
from tests.peering.peering_kit import partner


class Clock:
    """Seconds, as many as it is told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _refused(limiter: PeerLimiter, **settings: object) -> ProtocolError:
    with pytest.raises(ProtocolError) as refusal:
        limiter.enter(partner(**settings))
    return refusal.value


def test_more_requests_at_once_than_agreed_are_refused_until_one_is_answered() -> None:
    limiter = PeerLimiter(LimitsSection(peer_requests_at_once=2))
    limiter.enter(partner())
    limiter.enter(partner())
    refusal = _refused(limiter)
    assert (refusal.http, refusal.code.value) == (429, "320")
    limiter.enter(partner(name="another"))
    limiter.leave(partner())
    limiter.enter(partner())
    _refused(limiter)


def test_a_rate_lets_a_seconds_worth_through_and_then_one_after_the_other() -> None:
    clock = Clock()
    limiter = PeerLimiter(LimitsSection(peer_requests_per_second=10), clock)

    def let_through(tries: int) -> int:
        found = 0
        for _ in range(tries):
            try:
                limiter.enter(partner())
            except ProtocolError:
                continue
            limiter.leave(partner())
            found += 1
        return found

    assert let_through(30) == 10
    clock.seconds += 0.35
    assert let_through(30) == 3
    clock.seconds += 3600
    assert let_through(30) == 10


def test_what_a_peers_entry_says_counts_instead() -> None:
    clock = Clock()
    limiter = PeerLimiter(LimitsSection(peer_requests_at_once=1, peer_requests_per_second=1), clock)
    settings = {"requests_at_once": 3, "requests_per_second": 3}
    for _ in range(3):
        limiter.enter(partner(**settings))
    _refused(limiter, **settings)


def test_a_refused_request_is_not_counted_as_one_at_once() -> None:
    clock = Clock()
    limiter = PeerLimiter(LimitsSection(peer_requests_at_once=1, peer_requests_per_second=1), clock)
    limiter.enter(partner())
    limiter.leave(partner())
    _refused(limiter)
    clock.seconds += 1
    limiter.enter(partner())
