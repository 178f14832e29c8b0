"""The signatures that were taken lately, so that none is taken twice."""

from collections import defaultdict

from p2pnode.peering.http_signatures import SignatureProblem

MARK = 16
"""So many bytes of a signature tell it from all others: they belong to r or R, which nobody can change.

The other half of an ECDSA signature has two forms, so the whole would let a message pass once more.
"""


class Seen:
    """The signatures of one peer. At most `most` are remembered: where more come, older ones are refused instead.

    `window` is how far, in seconds, the moment a signature was made may be from now, in the past or the future.
    """

    def __init__(self, window: float, most: int = 65536) -> None:
        self._window = window
        self._most = most
        self._count = 0
        self._forgotten = 0
        """The latest second whose signatures are no longer known: none made then or before is taken."""
        self._by_second: defaultdict[int, set[bytes]] = defaultdict(set)

    def __len__(self) -> int:
        """How many signatures are remembered."""
        return self._count

    def take(self, signature: bytes, created: int, now: float) -> None:
        """Remember a signature that holds. Raises SignatureProblem where it was taken before, or is too old or new."""
        if abs(now - created) > self._window or created <= self._forgotten:
            raise SignatureProblem(f"the signature was made {now - created:.0f} seconds ago by our clock")
        marks = self._by_second.get(created)
        if marks is None:
            self._forget(now - self._window)
            marks = self._by_second[created]
        mark = signature[:MARK]
        if mark in marks:
            raise SignatureProblem("the message has been sent before: its signature was taken already")
        marks.add(mark)
        self._count += 1
        while self._count > self._most and len(self._by_second) > 1:
            self._forgotten = min(self._by_second)
            self._count -= len(self._by_second.pop(self._forgotten))

    def _forget(self, before: float) -> None:
        for second in [second for second in self._by_second if second < before]:
            self._count -= len(self._by_second.pop(second))
