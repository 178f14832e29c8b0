"""A signature is taken once, and never later than it is remembered."""

import pytest

from p2pnode.peering.http_signatures import SignatureProblem
from p2pnode.peering.replay import Seen

NOW = 1_800_000_000


def mark(number: int) -> bytes:
    return number.to_bytes(32, "big")[::-1] + bytes(32)


def test_a_signature_is_taken_once() -> None:
    seen = Seen(300)
    seen.take(mark(1), NOW, NOW)
    seen.take(mark(2), NOW, NOW)
    for later in (0, 10, 299):
        with pytest.raises(SignatureProblem, match="before"):
            seen.take(mark(1), NOW, NOW + later)


def test_the_second_form_of_an_ecdsa_signature_is_the_same_signature() -> None:
    seen = Seen(300)
    seen.take(mark(1), NOW, NOW)
    with pytest.raises(SignatureProblem, match="before"):
        seen.take(mark(1)[:32] + b"\1" * 32, NOW, NOW)


@pytest.mark.parametrize("made", [NOW - 301, NOW + 301, 0, 10**15])
def test_one_made_long_ago_or_in_the_future_is_not_taken(made: int) -> None:
    with pytest.raises(SignatureProblem, match="by our clock"):
        Seen(300).take(mark(1), made, NOW)


def test_what_is_forgotten_is_refused_and_not_taken_again() -> None:
    seen = Seen(300, most=10)
    for number in range(30):
        seen.take(mark(number), NOW + number // 3, NOW + 10)
    for number in range(30):
        with pytest.raises(SignatureProblem):
            seen.take(mark(number), NOW + number // 3, NOW + 10)
    seen.take(mark(99), NOW + 10, NOW + 10)


def test_no_more_is_remembered_than_the_bound_and_nothing_after_the_window() -> None:
    seen = Seen(60, most=100)
    for second in range(1000):
        seen.take(mark(second), NOW + second, NOW + second)
        assert len(seen) <= 62
    for number in range(1000):
        seen.take(mark(10_000 + number), NOW + 1000 + number // 20, NOW + 1050)
    assert len(seen) <= 100
