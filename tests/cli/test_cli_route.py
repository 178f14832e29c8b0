"""`p2pnode route` tells what the router would do, with what the node remembers, and sends nothing."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from p2pnode.cli import run
from p2pnode.config import PeerEntry, load_node, save_peer
from p2pnode.lab.directory import make_directory
from p2pnode.oicp.identifiers import evse_key, operator_key, provider_key, uid_key
from p2pnode.roaming.published_records import AuthenticationRecord, EvseRecord
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from p2pnode.roaming.store_ports import Publication, Transaction
from p2pnode.store.store import SqlStore

NOW = datetime.now(UTC)
UID = "04A1B2C3D4E580"
SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
ODD_EVSE = "CH*ODD*E1"

PEERS = (
    PeerEntry(
        name="rhine", url="http://127.0.0.1:7100/api/oicp", tls="off", operators=("DE*RHN",), providers=("DE-RHN",)
    ),
    PeerEntry(
        name="tyrol", url="http://127.0.0.1:7200/api/oicp", tls="off", operators=("AT*TYR",), send=("PullEvseStatus",)
    ),
)
PUBLISHED = EvseRecord("rhine", evse_key(ODD_EVSE), ODD_EVSE, operator_key("DE*RHN"), "DE*RHN", "Rhine", b"{}")
CARD = AuthenticationRecord("rhine", provider_key("DE-RHN"), "DE-RHN", "RFID", uid_key(UID), b"{}")
RUNNING = SessionRecord(
    key=SESSION,
    session_id=SESSION,
    state=SessionState.CHARGING,
    cpo=OWN,
    emp="rhine",
    operator_id="DE*ABC",
    provider_id="DE-RHN",
    created_at=NOW,
    updated_at=NOW,
)

Ask = Callable[..., tuple[int, dict[str, Any]]]


async def _remember(file: Path) -> None:
    def publish(publication: Publication) -> None:
        publication.put_evses([PUBLISHED], NOW)
        publication.put_authentication([CARD])

    def work(transaction: Transaction) -> None:
        transaction.put_session(RUNNING)
        transaction.put_session(replace(RUNNING, key="other", cpo="rhine", emp=OWN))

    async with SqlStore.open(file) as store:
        await store.publish(publish)
        await store.write(work)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that plays a CPO and an EMP, with two peers and some memories; it does not run."""
    made = tmp_path_factory.mktemp("nodes") / "node"
    make_directory(made, {"node": {"name": "node", "operators": ["DE*ABC"], "providers": ["DE-ABC"]}}, NOW)
    for peer in PEERS:
        save_peer(made, peer)
    asyncio.run(_remember(load_node(made).store.path))
    return made


@pytest.fixture
def ask(directory: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def answer(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run(["route", *arguments, "--dir", str(directory), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return answer


@pytest.mark.parametrize(
    ("arguments", "peer", "why"),
    [
        ("AuthorizeRemoteStart --evse DE*RHN*E77", "rhine", "this peer's operator"),
        (f"AuthorizeRemoteStart --evse {ODD_EVSE}", "rhine", "has published this EVSE"),
        ("AuthorizeRemoteStart --evse DE*ABC*E1", "", "our own operator"),
        ("AuthorizeStart --evco DE-RHN-C00000001-1", "rhine", "this peer's provider"),
        (f"AuthorizeStart --uid {UID}", "rhine", "asks nobody"),
        ("AuthorizeStart --uid 04FFFFFFFFFF80", "", "our own EMP"),
        (f"AuthorizeStop --session {SESSION}", "rhine", "other party of the session"),
        ("PushPricingProductData --provider DE-RHN", "rhine", "this peer's provider"),
        ("PullEvseData --operator DE*RHN", "rhine", "this peer's operator"),
        ("pullevsestatus", "rhine", "Every CPO"),
    ],
)
def test_each_destination_is_told_with_the_reason(ask: Ask, arguments: str, peer: str, why: str) -> None:
    code, told = ask(*arguments.split())
    assert (code, told["code"], told["reason"]) == (0, "000", "")
    first = told["hops"][0]
    assert first["peer"] == peer
    assert why in first["reason"]
    assert first["url"] == ("http://127.0.0.1:7100/api/oicp" if peer else None)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ("AuthorizeRemoteStart --evse FR*XYZ*E1", "300", "no peer"),
        ("AuthorizeRemoteStart --evse AT*TYR*E1", "210", "may not be sent to tyrol"),
        ("ChargeDetailRecord --session 00000000-0000-0000-0000-000000000000", "400", "no such session"),
        (f"AuthorizeRemoteStop --session {SESSION}", "400", "no such session"),
    ],
)
def test_where_nobody_would_get_it_the_hubs_code_tells_why(ask: Ask, arguments: str, code: str, reason: str) -> None:
    exit_code, told = ask(*arguments.split())
    assert (exit_code, told["hops"], told["code"]) == (3, [], code)
    assert reason in told["reason"]


def test_the_table_is_for_people(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "PullEvseStatus", "--dir", str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["to", "rhine", "tyrol"]
    assert run(["route", "AuthorizeRemoteStart", "--evse", "FR*XYZ*E1", "--dir", str(directory)]) == 3
    assert "would go to nobody: 300" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("operation", "lacks"),
    [("AuthorizeStart", "a UID or an EvcoID"), ("AuthorizeStop", "a SessionID"), ("AuthorizeRemoteStart", "an EvseID")],
)
def test_what_the_route_depends_on_has_to_be_given(
    directory: Path, capsys: pytest.CaptureFixture[str], operation: str, lacks: str
) -> None:
    assert run(["route", operation, "--dir", str(directory)]) == 2
    assert f"the route of {operation} depends on {lacks}" in capsys.readouterr().err


def test_a_role_the_node_does_not_play_sends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_directory(tmp_path / "cpo", {"node": {"name": "cpo", "operators": ["DE*ABC"]}}, NOW)
    assert run(["route", "PullEvseData", "--dir", str(tmp_path / "cpo")]) == 3
    assert "017, this node plays no EMP" in capsys.readouterr().err


def test_a_running_node_is_asked_with_its_own_table(
    directories: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--operator", "DE*RHN", "--operator", "FR*XYZ", "--dir", str(directories["alpine"]), "--json"]
    assert run(["route", "PullPricingProductData", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [hop["peer"] for hop in told["hops"]] == ["rhine"]
    assert told["operation"] == "PullPricingProductData"
