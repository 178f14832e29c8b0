"""Making the directory of a node: configuration, key and certificate, an empty peer table."""

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from p2pnode.config import ConfigError, NodeConfig, load_node
from p2pnode.config.files import write_toml
from p2pnode.config.load import NODE_FILE, PEERS_FILE
from p2pnode.config.node import PeerFaceSection
from p2pnode.config.settings import is_loopback
from p2pnode.oicp.codec import read
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, AUTHORIZE_START
from p2pnode.peering.card import EVERYWHERE
from p2pnode.pki import Authority, Identity, Leaf, PkiError, create_identity, issue
from p2pnode.store.errors import StoreError
from p2pnode.store.store import SqlStore
from p2pnode.web.problem import Problem
from p2pnode.web.samples import OPERATOR, PROVIDER, sample_request

PKI = "pki"
PEERS_TEXT = """\
# The peers of this node, one [[peer]] each. `p2pnode peer list` shows them, `p2pnode peer add URL` enters a
# partner's node in peers.d/; what is not a p2pnode is entered here by hand:
#
# [[peer]]
# name = "partner"
# url = "https://node.partner.example:7000/api/oicp"
# operators = ["DE*XYZ"]
# providers = ["DE-XYZ"]
# certificate = "partner-identity.pem"   # its identity certificate; yours is pki/identity.pem
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A node's directory as it was made."""

    directory: Path
    config: NodeConfig
    identity: Identity


def make_directory(
    directory: Path, settings: Mapping[str, Any], now: datetime, *, authority: Authority | None = None
) -> Made:
    """Make the directory from the settings of `p2pnode.toml`, with an identity of its own or one the lab CA issues.

    Nothing that is there is overwritten. Raises Problem.
    """
    if directory.exists() and not directory.is_dir():
        raise Problem(f"{directory} is a file", "name a directory that is not there yet")
    if directory.exists() and any(directory.iterdir()):
        raise Problem(f"{directory} exists and is not empty", "name a directory that is not there yet")
    try:
        config = NodeConfig.model_validate(dict(settings))
    except ValueError as error:
        raise Problem(_first_sentence(error), "see `p2pnode init --help`", exit_code=2) from None
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_toml(directory / NODE_FILE, dict(settings))
        (directory / PEERS_FILE).write_text(PEERS_TEXT, encoding="utf-8")
        leaf = Leaf(config.node.name, (*config.node.operators, *config.node.providers), hosts_of(config.peer_face))
        if authority is None:
            identity = create_identity(directory / PKI, leaf, now)
        else:
            identity = issue(authority, directory / PKI, leaf, now)
        return Made(directory, load_node(directory), identity)
    except OSError as error:
        raise Problem(f"{directory} could not be made: {error.strerror}", "is the place writable?") from error
    except (ConfigError, PkiError) as error:
        raise Problem(f"{directory} could not be made: {error}", "is the place writable?") from error


async def make_store(config: NodeConfig) -> None:
    """Make the node's store with its tables. Raises Problem."""
    try:
        async with SqlStore.open(config.store.path):
            pass
    except StoreError as error:
        raise Problem(f"{config.store.path} could not be made: {error}", "is the place writable?") from error


def sample_parties(operators: Sequence[str], providers: Sequence[str]) -> dict[str, Any]:
    """The settings of a virtual charging point and a virtual driver: those that the sample messages name."""
    operator, provider = next(iter(operators), OPERATOR), next(iter(providers), PROVIDER)
    card = read(AUTHORIZE_START.request, sample_request(AUTHORIZE_START, operator, provider))
    app = read(AUTHORIZE_REMOTE_START.request, sample_request(AUTHORIZE_REMOTE_START, operator, provider))
    parties: dict[str, Any] = {}
    if operators:
        parties["cpo"] = {"virtual": {"charge_points": [{"evse_id": app.evse_id}]}}
    if providers:
        driver = {"name": "Sample", "uid": card.identification.uid, "evco_id": app.identification.evco_id}
        parties["emp"] = {"virtual": {"drivers": [driver]}}
    return parties


def name_from(directory: Path) -> str:
    """A node's name from the name of its directory: lower case, other characters as `-`."""
    name = re.sub(r"[^a-z0-9._-]+", "-", directory.resolve().name.lower()).strip("-._")
    return name[:63] or "node"


def hosts_of(face: PeerFaceSection) -> tuple[str, ...]:
    """What the certificate names: this machine, and the address peers use where it is another."""
    host = face.host
    local = ("localhost", "127.0.0.1", "::1")
    if host in EVERYWHERE:
        return (*local, socket.gethostname())
    return local if is_loopback(host) else (*local, host)


def _first_sentence(error: ValueError) -> str:
    """The first thing pydantic does not like, without its value."""
    listed = getattr(error, "errors", None)
    if listed is None:
        return str(error)
    first = listed(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
