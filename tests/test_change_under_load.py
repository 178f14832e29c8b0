"""Peers and certificates change every second while a load runs: no request fails, and every change is taken up."""

from benchmarks.figures import Plan
from benchmarks.measures.changes import measure


def test_three_seconds_of_load_through_a_reload_and_a_renewal_every_second_fail_nowhere() -> None:
    figures = {figure.name: figure for figure in measure(Plan(1, 3.0, lambda _: None))}
    assert figures["changes.made"].median >= 2
    assert figures["changes.rate"].median > 50
