"""A bounded memory: what was used least recently is forgotten first."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `size` pairs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pairs: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, which counts as a use."""
        value = self._pairs.get(key)
        if value is not None:
            self._pairs.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember the value."""
        self._pairs[key] = value
        self._pairs.move_to_end(key)
        while len(self._pairs) > self._size:
            self._pairs.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget the key."""
        self._pairs.pop(key, None)

    def __len__(self) -> int:
        return len(self._pairs)
