"""The node card: what a node tells anyone about itself, so that two parties can exchange entries for their tables."""

from collections.abc import Collection, Mapping
from pathlib import Path

from cryptography import x509

from p2pnode import __version__
from p2pnode.config.node import NodeSection
from p2pnode.config.pins import public_key_pin
from p2pnode.oicp.operations import BASE_PATH, AnyOperation
from p2pnode.peering.trust import TrustError, to_pem


def node_card(
    node: NodeSection, offered: Collection[AnyOperation], certificate_file: Path | None
) -> Mapping[str, object]:
    """The card. `certificate` is what a peer keeps to know the node by; both are absent without TLS.

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
        chain = _chain(certificate_file)
        pin = public_key_pin(chain[0])
        identity = next((issuer for issuer in chain[1:] if public_key_pin(issuer) == pin), chain[0])
        card |= {"pin": pin, "certificate": to_pem([identity])}
    return card


def _chain(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise TrustError(message) from error
    except ValueError as error:
        message = f"{file} holds no certificate in PEM form"
        raise TrustError(message) from error
