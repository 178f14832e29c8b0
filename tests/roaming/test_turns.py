"""The turns threads take are short only while somebody needs it."""

import sys

import pytest

from p2pnode.roaming.turns import SHORT, ShortTurns


def test_turns_are_short_until_the_last_one_has_left() -> None:
    turns, usual = ShortTurns(), sys.getswitchinterval()
    with turns:
        with turns:
            assert sys.getswitchinterval() == SHORT
        assert sys.getswitchinterval() == SHORT
    assert sys.getswitchinterval() == usual


def test_a_failure_inside_gives_the_usual_turns_back() -> None:
    turns, usual = ShortTurns(), sys.getswitchinterval()
    with pytest.raises(ValueError, match="invalid literal"), turns:
        int("no number")
    assert sys.getswitchinterval() == usual
