"""Until when the certificates hold that a node shows and trusts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from p2pnode.peering.trust import PeerTrust, read_chain
from p2pnode.roaming.records import OWN

WARNED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of a certificate. `peer` is whose it is, `OWN` for this node's."""

    peer: str
    until: datetime

    def warning(self, now: datetime) -> str | None:
        """A sentence where it ends within `WARNED`, or has ended."""
        if self.until - now > WARNED:
            return None
        whose = f"a certificate that peer {self.peer!r} is known by" if self.peer else "this node's certificate"
        remedy = "ask for the new one" if self.peer else "renew it: p2pnode pki renew"
        ends = "ends" if self.until > now else "ended"
        return f"{whose} {ends} at {self.until:%Y-%m-%d %H:%M} UTC; {remedy}"


def expiries(certificate_file: Path | None, trust: PeerTrust) -> Iterator[Expiry]:
    """The first end in our own chain and in each enabled peer's. Reads our file; raises TrustError."""
    if certificate_file is not None:
        yield Expiry(OWN, min(certificate.not_valid_after_utc for certificate in read_chain(certificate_file)))
    for peer in trust.table.peers:
        credentials = trust.credentials(peer)
        if credentials is None:
            continue
        ends = [known.not_valid_after_utc for known in (*credentials.certificates, *credentials.authorities)]
        if ends:
            yield Expiry(peer.name, min(ends))
