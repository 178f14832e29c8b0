"""What the journal of the CPO's backend says, by what it is about."""

from collections.abc import Iterable

from chaos_check.entries import Acknowledged, Begun, CpoEntry, NotStarted, Push, Pushed, PushRefused, Refused, Session


class Ledger:
    """The journal of the CPO's backend, by what it is about."""

    def __init__(self, entries: Iterable[CpoEntry] = ()) -> None:
        self.begun: dict[int, Begun] = {}
        self.not_started: dict[int, NotStarted] = {}
        self.started: set[int] = set()
        """The intents that have become a session."""
        self.sessions: dict[str, Session] = {}
        self.acknowledged: dict[str, set[int]] = {}
        self.refused: dict[str, Refused] = {}
        self.over: set[str] = set()
        self.last_push: dict[str, Push] = {}
        self.open_pushes: dict[str, Push] = {}
        self.pushed = 0
        self.refused_pushes: list[PushRefused] = []
        for entry in entries:
            self.add(entry)

    def add(self, entry: CpoEntry) -> None:
        """Take one more entry in."""
        match entry:
            case Begun():
                self.begun[entry.number] = entry
            case NotStarted():
                self.not_started[entry.number] = entry
            case Session():
                self.sessions[entry.session_id] = entry
                if entry.number is not None:
                    self.started.add(entry.number)
            case Acknowledged():
                self.acknowledged.setdefault(entry.session_id, set()).add(entry.step)
                if entry.is_last:
                    self.over.add(entry.session_id)
            case Refused():
                self.refused[entry.session_id] = entry
                self.over.add(entry.session_id)
            case Push() | Pushed() | PushRefused():
                self._add_push(entry)

    def _add_push(self, entry: Push | Pushed | PushRefused) -> None:
        match entry:
            case Push():
                self.last_push[entry.operation] = self.open_pushes[entry.operation] = entry
            case Pushed():
                self.pushed += 1
                self.open_pushes.pop(entry.operation, None)
            case PushRefused():
                self.refused_pushes.append(entry)
                self.open_pushes.pop(entry.operation, None)
