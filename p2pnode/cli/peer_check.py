"""`p2pnode peer check`: the doctor."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from p2pnode.cli.directory import config_of, peers_of
from p2pnode.cli.findings import show_findings
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.peer_table import entry_of
from p2pnode.peering.doctor import Patient, examine
from p2pnode.peering.finding import Finding
from p2pnode.peering.trust import PeerTrust, TrustError
from p2pnode.web.problem import Problem


@click.command(epilog=example("p2pnode peer check partner --dir my-node", "p2pnode peer check 'DE*XYZ' --json"))
@click.argument("peer", metavar="ID")
@directory_option
@json_option
def check(peer: str, directory: Path, *, as_json: bool) -> int:
    """Examine the way to a peer, and tell what to do about a failure.

    ID is its name, OperatorID or ProviderID. Looked at are: name resolution, TCP, TLS, certificate chain, pin,
    validity, ids in both directions, clock, latency, node card, and every operation it serves, with probes that do
    nothing. The exit code is 1 where something fails.
    """
    peers = peers_of(directory)
    try:
        trust = PeerTrust(peers)
    except TrustError as error:
        raise Problem(str(error), "correct the peer's entry") from error
    patient = Patient(entry_of(peers, peer), trust, config_of(directory), datetime.now(UTC))
    return show_findings(asyncio.run(_examined(patient)), as_json=as_json)


async def _examined(patient: Patient) -> list[Finding]:
    return [finding async for finding in examine(patient)]
