"""Keys and certificates: a lab CA, node identities, inspection."""

from p2pnode.pki.certificates import Leaf
from p2pnode.pki.identity import Authority, Identity, create_ca, create_identity, current_leaf, issue, load_ca, renew
from p2pnode.pki.inspection import CertificateInfo, inspect
from p2pnode.pki.keys import PkiError, spki_pin

__all__ = [
    "Authority",
    "CertificateInfo",
    "Identity",
    "Leaf",
    "PkiError",
    "create_ca",
    "create_identity",
    "current_leaf",
    "inspect",
    "issue",
    "load_ca",
    "renew",
    "spki_pin",
]
