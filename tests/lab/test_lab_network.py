"""Networks of the lab: read from a file, and played as a person does, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2pnode.lab.topology import load_topology
from p2pnode.lab.touring import ways
from p2pnode.web.problem import Problem

SECONDS = 60
TWO_RELAYS = """
[[party]]
name = "coast"
operator = "NL*CST"
node = false
hub = "west"

[[party]]
name = "west"
relay = true
hub = "east"

[[party]]
name = "east"
relay = true
hub = "west"

[[party]]
name = "hills"
provider = "DE-HIL"
hub = "east"
"""


def _play(temporary: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "p2pnode", "lab", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "TMPDIR": str(temporary)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def _crossed(report: dict[str, Any], operation: str) -> set[tuple[str, str]]:
    return {(row["from"], row["to"]) for row in report["steps"] if row["operation"] == operation}


def test_every_cpo_and_emp_of_the_shipped_network_roam_also_the_one_without_a_node(tmp_path: Path) -> None:
    report, told = _play(tmp_path, "--network", "five")

    assert report["ok"] is True
    assert all(row["ok"] and row["code"] == "000" for row in report["steps"])
    cpos, emps = ("alpine", "baltic", "centre", "kiosk"), ("danube", "loire", "centre", "kiosk")
    pairs = {(cpo, emp) for cpo in cpos for emp in emps if cpo != emp}
    scenarios = {row["scenario"] for row in report["steps"]}
    for cpo, emp in pairs:
        assert any(title.startswith(f"Drivers of {emp} charge at {cpo}") for title in scenarios), (cpo, emp)
    direct = {("alpine", "danube"), ("alpine", "loire"), ("baltic", "loire")}
    for operation in ("AuthorizeStart", "ChargeDetailRecord"):
        crossed = _crossed(report, operation)
        assert crossed >= direct
        assert ("baltic", "danube") not in crossed
        assert crossed - direct == {
            *((cpo, "centre") for cpo in ("alpine", "baltic", "kiosk")),
            *(("centre", emp) for emp in ("danube", "loire", "kiosk")),
        }
    assert "All 60 steps came out as expected" in told
    assert list(tmp_path.iterdir()) == []


def test_a_party_without_a_node_reaches_one_behind_another_relay_over_plain_http(tmp_path: Path) -> None:
    (tmp_path / "network.toml").write_text(TWO_RELAYS)
    (tmp_path / "labs").mkdir()
    report, told = _play(tmp_path / "labs", "--plain", "--network", str(tmp_path / "network.toml"))
    assert report["ok"] is True
    assert "Drivers of hills charge at coast through west and east" in told
    assert _crossed(report, "AuthorizeStart") == {("coast", "west"), ("west", "east"), ("east", "hills")}


def test_a_way_is_direct_where_it_can_be_and_missing_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "network.toml"
    file.write_text(
        TWO_RELAYS + '[[party]]\nname = "alone"\nprovider = "DE-ALO"\n[[party]]\nname = "inland"\noperator = "DE*INL"\n'
        'peers = ["hills"]\nhub = "east"\n'
    )
    assert ways(load_topology(file)) == [("coast", "west", "east", "hills"), ("inland", "hills")]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[[party]]\nname = "west"\nrelay = true\n', "two parties are called 'west'"),
        ('[[party]]\nname = "a"\nprovider = "DE-HIL"\n', "'hills' and 'a' both claim 'DE-HIL'"),
        ('[[party]]\nname = "a"\n', "'a' has neither an operator nor a provider"),
        ('[[party]]\nname = "a"\nprovider = "DE-AAA"\nhub = "hills"\n', "'hills', is no other party with relay"),
        ('[[party]]\nname = "a"\nprovider = "DE-AAA"\npeers = ["b"]\n', "names 'b' as a peer"),
        ('[[party]]\nname = "a"\nprovider = "DE-AAA"\npeers = ["coast"]\n', "'coast' as a peer, which has no node"),
        ('[[party]]\nname = "a"\nprovider = "DE-AAA"\nnode = false\n', "'a' has no node"),
        ('[[party]]\nname = "a"\nprovider = "DE*AAA"\n', "provider"),
        ('[[party]]\nname = "a"\nproviders = []\n', "did you mean 'provider'"),
    ],
)
def test_a_mistake_in_a_network_file_is_told_with_its_line(tmp_path: Path, more: str, sentence: str) -> None:
    file = tmp_path / "network.toml"
    file.write_text(TWO_RELAYS + more)
    with pytest.raises(Problem, match=sentence) as caught:
        load_topology(file)
    assert f"{file}:" in caught.value.message
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_told_with_the_network_that_is(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        load_topology(tmp_path / "six.toml")
    assert "--network five" in caught.value.hint
