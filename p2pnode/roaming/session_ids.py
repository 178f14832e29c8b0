"""SessionIDs that this node mints: UUIDs of version 7 (RFC 9562), in order of time, so an index grows at its end."""

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

RANDOM_BITS = 74
COUNTER_STEP = 1 << 40
"""How far the random part moves within one millisecond: room for 2^34 ids, and no neighbour can be guessed."""


def session_ids(now: Callable[[], datetime], random_bits: Callable[[int], int] = secrets.randbits) -> Callable[[], str]:
    """A source of SessionIDs, each greater than the one before, also when the clock stands still or steps back."""
    last_ms = 0
    last_tail = 0

    def mint() -> str:
        nonlocal last_ms, last_tail
        ms = int(now().timestamp() * 1000)
        if ms > last_ms:
            last_ms, last_tail = ms, random_bits(RANDOM_BITS - 1)
        else:
            last_tail += 1 + random_bits(COUNTER_STEP.bit_length() - 1)
            if last_tail >> RANDOM_BITS:
                last_ms, last_tail = last_ms + 1, random_bits(RANDOM_BITS - 1)
        high, low = last_tail >> 62, last_tail & ((1 << 62) - 1)
        return str(UUID(int=last_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))

    return mint
