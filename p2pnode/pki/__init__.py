"""Keys and certificates: a lab CA, node identities, inspection."""

from p2pnode.pki.certificates import Leaf
from p2pnode.pki.identity import (
    Authority,
    Identity,
    change_key,
    create_ca,
    create_identity,
    current_leaf,
    issue,
    load_ca,
    prepare_key,
    renew,
)
from p2pnode.pki.inspection import CertificateInfo, inspect
from p2pnode.pki.keys import PkiError, load_key

__all__ = [
    "Authority",
    "CertificateInfo",
    "Identity",
    "Leaf",
    "PkiError",
    "change_key",
    "create_ca",
    "create_identity",
    "current_leaf",
    "inspect",
    "issue",
    "load_ca",
    "load_key",
    "prepare_key",
    "renew",
]
