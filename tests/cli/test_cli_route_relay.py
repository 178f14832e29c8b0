"""`p2pnode route` explains where a relay sends what a peer sends, and what goes to a hub."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from p2pnode.cli import run
from p2pnode.config import PeerEntry, save_peer
from p2pnode.lab.directory import make_directory

PEERS = (
    PeerEntry(name="rhine", url="http://127.0.0.1:7100/api/oicp", tls="off", operators=("DE*RHN",)),
    PeerEntry(name="tyrol", url="http://127.0.0.1:7200/api/oicp", tls="off", providers=("AT-TYR",)),
    PeerEntry(name="loire", url="http://127.0.0.1:7300/api/oicp", tls="off", providers=("FR-LOI",)),
    PeerEntry(name="hubject", url="http://127.0.0.1:7400/api/oicp", tls="off", hub=True),
)


def _directory(root: Path, *, relay: bool) -> Path:
    settings = {"node": {"name": "centre", "operators": ["LU*CEN"], "relay": relay}}
    make_directory(root / "node", settings, datetime.now(UTC))
    for peer in PEERS:
        save_peer(root / "node", peer)
    return root / "node"


def _ask(directory: Path, arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    run(["route", *arguments.split(), "--dir", str(directory), "--json"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize(
    ("arguments", "peers", "why"),
    [
        ("AuthorizeRemoteStart --evse DE*RHN*E1 --from tyrol", ["rhine"], "this peer's operator"),
        ("AuthorizeRemoteStart --evse LU*CEN*E1 --from tyrol", [""], "our own operator"),
        ("AuthorizeRemoteStart --evse FR*XYZ*E1 --from tyrol", ["hubject"], "No other peer claims FR*XYZ"),
        ("AuthorizeStart --uid 04FFFFFFFFFF80 --from rhine", ["loire", "tyrol", "hubject"], "every EMP"),
        ("AuthorizeStart --uid 04FFFFFFFFFF80 --from hubject", ["loire", "tyrol"], "every EMP"),
        ("AuthorizeStart --evco DE-XYZ-C12345678-X", ["hubject"], "this one is a hub"),
    ],
)
def test_each_destination_of_a_relayed_message_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, peers: list[str], why: str
) -> None:
    told = _ask(_directory(tmp_path, relay=True), arguments, capsys)
    assert [hop["peer"] for hop in told["hops"]] == peers
    assert why in told["hops"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "relay", "reason"),
    [
        ("AuthorizeRemoteStart --evse FR*XYZ*E1 --from hubject", True, "no peer"),
        ("AuthorizeRemoteStart --evse DE*RHN*E1 --from nobody", True, "no peer is called 'nobody'"),
        ("AuthorizeRemoteStart --evse DE*RHN*E1 --from tyrol", False, "does not relay"),
    ],
)
def test_what_a_relay_would_not_pass_on_is_told_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, reason: str, *, relay: bool
) -> None:
    told = _ask(_directory(tmp_path, relay=relay), arguments, capsys)
    assert (told["hops"], told["code"]) == ([], "300")
    assert reason in told["reason"]
