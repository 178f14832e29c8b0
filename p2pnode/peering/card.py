"""The node card: what a node tells anyone about itself, so that two parties can exchange entries for their tables."""

from base64 import b64encode
from collections.abc import Collection, Mapping
from pathlib import Path

from p2pnode import __version__
from p2pnode.config.node import NodeSection
from p2pnode.config.pins import public_key_pin
from p2pnode.oicp.operations import BASE_PATH, AnyOperation
from p2pnode.peering.http_signatures import VerifyKey
from p2pnode.peering.trust import read_chain, to_pem


def node_card(
    node: NodeSection,
    offered: Collection[AnyOperation],
    certificate_file: Path | None,
    signing_key: VerifyKey | None = None,
) -> Mapping[str, object]:
    """The card. `certificate` is what a peer keeps to know the node by; both are absent without TLS.

    `signing_key` is what its signatures are checked with, in Base64.

    It is the identity certificate where the file holds one beside the TLS certificate, else the TLS certificate itself.
    Reads the certificate file; raises TrustError.
    """
    card: dict[str, object] = {
        "name": node.name,
        "operators": node.operators,
        "providers": node.providers,
        "roles": [role.value for role in node.roles],
        "base_path": BASE_PATH,
        "operations": sorted(operation.name for operation in offered),
        "software": "p2pnode",
        "version": __version__,
    }
    if certificate_file is not None:
        chain = read_chain(certificate_file)
        pin = public_key_pin(chain[0])
        identity = next((issuer for issuer in chain[1:] if public_key_pin(issuer) == pin), chain[0])
        card |= {"pin": pin, "certificate": to_pem([identity])}
    if signing_key is not None:
        card["signing_key"] = b64encode(signing_key.spki).decode()
    return card
