"""A node that is treated badly: in a process of its own, with something of everything in its store."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from p2pnode.config import save_peer
from p2pnode.lab.directory import make_directory
from p2pnode.lab.ports import ReservedPorts
from p2pnode.lab.process import LOG, NodeProcess
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizationStop
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from p2pnode.pki import Authority, Identity, Leaf, create_ca, create_identity, issue
from p2pnode.pki.keys import load_certificates
from tests.peering.peering_kit import Reply, own_id
from tests.samples import sample_members
from tests.whole_nodes import EVCO_ID as SAMPLE_EVCO_ID
from tests.whole_nodes import MAIN_TABLES, Caller, Rows, count, node_settings, peer, rows_of
from tests.whole_nodes import UID as SAMPLE_UID

BUSY, HELD, DEAD, BARE = "DE*OWN*EBUSY", "DE*OWN*EHELD", "DE*OWN*EDEAD", "DE*OWN*EBARE"
"""Charging points of the node: in use, reserved by another, out of service, without a car."""

UID, OTHER_UID, UNKNOWN_UID = "04A1B2C3D4E5F6", "04B1B2C3D4E5F7", "04C1C2C3C4C5C6"
EVCO_ID, PIN = "DE-OWN-C73915826-4", "80412973"
FOREIGN_EVCO_ID = "DE-QQQ-C99887766-5"
SECRETS = (
    *(UID, OTHER_UID, UNKNOWN_UID, EVCO_ID, PIN, FOREIGN_EVCO_ID),
    *(SAMPLE_UID, SAMPLE_EVCO_ID, "04E5A1B2C3D480", "DE-DCB-C23456789-Y", "DE-DCB-C34567890-Z", "0049 1234 5678"),
)
"""Whatever identifies somebody in a message of these tests."""

STARTED, SETTLED = "b2688855-7f00-0002-6d8e-000000000001", "b2688855-7f00-0002-6d8e-000000000002"
REMOTE, RESERVED = "b2688855-7f00-0002-6d8e-000000000003", "b2688855-7f00-0002-6d8e-000000000004"
"""Sessions of the partner: authorized, settled, started from afar; and the other peer's reservation."""

PUSHES = (
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    PUSH_EVSE_PRICING,
    PUSH_AUTHENTICATION_DATA,
)
PROCESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|/tmp|site-packages|p2pnode\.|pydantic|sqlalchemy|sqlite|aiohttp|msgspec|asyncio"
    r"|object at 0x|[A-Z]\w+Error\b|InvalidMessage|Violation\(|NoneType|<class"
)
"""What would tell how a node is built."""


@dataclass(frozen=True)
class Target:
    """The node, its peers `partner` and `other`, and identities that belong to none of its peers."""

    process: NodeProcess
    store: Path
    partner: Caller
    other: Caller
    identities: dict[str, Identity]

    def rows(self) -> Rows:
        """Everything it remembers."""
        return rows_of(self.store)

    def log(self) -> str:
        """Everything it has logged."""
        return (self.process.directory / LOG).read_text(encoding="utf-8")

    def audited(self) -> list[dict[str, Any]]:
        """The lines of its audit log."""
        lines = (self.process.directory / "audit.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    def stranger(self, name: str) -> Caller:
        """Somebody with one of the identities, or with none."""
        return Caller.of(self.partner.port, self.identities["node"], self.identities.get(name))

    @asynccontextmanager
    async def unchanged(self) -> AsyncGenerator[None]:
        """Nothing the node remembers changes while the context lasts."""
        before = self.rows()
        yield
        after = self.rows()
        assert count(after) == count(before)
        assert after == before


@asynccontextmanager
async def hostile_target(root: Path) -> AsyncGenerator[Target]:
    """The running node."""
    with ReservedPorts(1) as reserved:
        target = _made(root, reserved.ports[0])
        await target.process.start()
        try:
            await target.process.ready()
            await _filled(target)
            yield target
        finally:
            await target.process.stop()


def _made(root: Path, port: int) -> Target:
    now = datetime.now(UTC)
    points = [
        {"evse_id": BUSY},
        {"evse_id": HELD, "connected": False},
        {"evse_id": DEAD, "out_of_service": True},
        {"evse_id": BARE, "connected": False},
    ]
    settings = node_settings(
        "node",
        operators=["DE*OWN"],
        providers=["DE-OWN"],
        port=port,
        cpo={"virtual": {"charge_points": points, "publish_at_start": False}},
        emp={"virtual": {"drivers": [{"uid": UID}, {"uid": OTHER_UID}, {"evco_id": EVCO_ID, "pin": PIN}]}},
        log={"level": "debug"},
        limits={"handshake_seconds": 3.0},
    )
    authority = create_ca(root / "ca", "a CA", now)
    node = make_directory(root / "node", settings, now, authority=authority)
    callers: dict[str, Caller] = {}
    identities: dict[str, Identity] = {}
    for name, operator, provider in (("partner", "DE*ABC", "DE-DCB"), ("other", "DE*XYZ", "DE-XYZ")):
        theirs = node_settings(name, operators=[operator], providers=[provider])
        made = make_directory(root / name, theirs, now, authority=authority)
        save_peer(node.directory, peer(made, authority))
        callers[name] = Caller.of(port, node.identity, made.identity)
        identities[name] = made.identity
    signer = make_directory(root / "signer", node_settings("signer", operators=["DE*SIG"]), now)
    known_by = {"ca": None, "certificate": signer.identity.trust, "signatures": "require"}
    save_peer(node.directory, peer(signer, authority, **known_by))
    hub = make_directory(root / "hub", node_settings("hub", operators=["DE*BIG"]), now, authority=authority)
    save_peer(node.directory, peer(hub, authority, hub=True))
    partner = Leaf("partner", ("DE*ABC", "DE-DCB"))
    known = {
        **identities,
        "hub": hub.identity,
        "node": node.identity,
        "unknown CA": create_identity(root / "unknown", partner, now),
        "expired": issue(authority, root / "expired", partner, now - timedelta(days=500)),
        "not yet valid": issue(authority, root / "early", partner, now + timedelta(days=3)),
        "for servers only": _for_servers_only(authority, root / "server", now),
        "signer": signer.identity,
        "no peer": issue(authority, root / "nobody", Leaf("nobody", ("DE*NOB", "DE-NOB")), now),
    }
    return Target(NodeProcess(node.directory), node.config.store.path, callers["partner"], callers["other"], known)


def _for_servers_only(authority: Authority, directory: Path, now: datetime) -> Identity:
    """The partner's name in a certificate of the right CA that is not for clients."""
    made = issue(authority, directory, Leaf("partner", ("DE*ABC", "DE-DCB")), now)
    known = load_certificates(made.certificate_file)[0]
    builder = x509.CertificateBuilder(known.issuer, known.subject, known.public_key(), known.serial_number)
    builder = builder.not_valid_before(known.not_valid_before_utc).not_valid_after(known.not_valid_after_utc)
    for extension in known.extensions:
        is_usage = isinstance(extension.value, x509.ExtendedKeyUsage)
        value = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]) if is_usage else extension.value
        builder = builder.add_extension(value, critical=extension.critical)
    certificate = builder.sign(authority.key, hashes.SHA256())
    made.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return made


async def _filled(target: Target) -> None:
    partner, other = target.partner, target.other
    for operation in PUSHES:
        await succeeds(partner, operation, {**sample_members(operation), "ActionType": "fullLoad"})
    await succeeds(partner, AUTHORIZE_START, start(STARTED))
    await succeeds(partner, AUTHORIZE_START, start(SETTLED))
    await succeeds(partner, CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, SETTLED))
    await succeeds(partner, AUTHORIZE_REMOTE_START, remote(BUSY, REMOTE))
    held = {**remote(HELD, RESERVED), "ProviderID": "DE-XYZ"}
    await succeeds(other, AUTHORIZE_REMOTE_RESERVATION_START, held, "DE-XYZ")
    await settled(target)
    rows = target.rows()
    assert all(rows[name] for name in MAIN_TABLES)


async def settled(target: Target) -> None:
    """Wait for what follows in the background: the own EMP has every CDR, the remote start has been told of."""
    async with asyncio.timeout(10):
        while True:
            rows = target.rows()
            told = any(CHARGING_NOTIFICATION_START.name in row for row in rows["session_event"])
            if told and all(row[-1] is not None for row in rows["cdr"]):
                return
            await asyncio.sleep(0.02)


async def succeeds(caller: Caller, operation: AnyOperation, body: dict[str, Any], identifier: str = "") -> Reply:
    """The answer to a message that is right."""
    reply = await caller.send(operation, identifier or own_id(operation), body)
    assert (reply.status, reply.code) == (200, "000"), reply.body
    return reply


def start(session_id: str, **members: object) -> dict[str, Any]:
    """An AuthorizeStart of the partner, for our driver with a card."""
    card = {"RFIDMifareFamilyIdentification": {"UID": UID}}
    evse = {"SessionID": session_id, "EvseID": "DE*ABC*E1234*1"}
    return {"OperatorID": "DE*ABC", "Identification": card, **evse, **members}


def of_session(operation: AnyOperation, session_id: str, **members: object) -> dict[str, Any]:
    """The sample of a message about a session, for another session."""
    known = sample_members(operation)
    if "Identification" in known:
        known["Identification"] = {"RFIDMifareFamilyIdentification": {"UID": UID}}
    return {**known, "SessionID": session_id, **members}


def remote(evse_id: str, session_id: str | None = None) -> dict[str, Any]:
    """An AuthorizeRemoteStart or reservation of the partner at a charging point of the node."""
    app = {"RemoteIdentification": {"EvcoID": SAMPLE_EVCO_ID}}
    return {"SessionID": session_id or str(uuid4()), "ProviderID": "DE-DCB", "EvseID": evse_id, "Identification": app}


def is_refused(reply: Reply, status: int, code: str, operation: AnyOperation | None = None) -> None:
    """The answer says no, in a form that an OICP client reads, and tells nothing of how the node is built."""
    assert (reply.status, reply.code) == (status, code), reply.body[:500]
    assert reply.headers["Content-Type"] == "application/json"
    answer = operation.answer if operation is not None and status == 200 else Acknowledgement
    if answer in {AuthorizationStart, AuthorizationStop}:
        assert reply.members["AuthorizationStatus"] == "NotAuthorized"
    elif answer is Acknowledgement:
        assert reply.members["Result"] is False
    else:
        assert answer.model_validate(reply.members).status_code.code == code
    assert len(reply.members["StatusCode"].get("AdditionalInfo") or "") <= 1000
    for error in reply.members.get("validationErrors") or ():
        assert set(error) == {"fieldReference", "errorMessage"}
    tells_nothing(reply)


def tells_nothing(reply: Reply) -> None:
    """The answer has a Process-ID, and no word of how the node is built or of who drives."""
    assert PROCESS_ID.fullmatch(reply.headers["Process-ID"])
    told = reply.body.decode() + "".join(f"{name}: {value}" for name, value in reply.headers.items())
    assert INTERNALS.search(told) is None, INTERNALS.search(told)
    assert not any(secret in told for secret in SECRETS)
