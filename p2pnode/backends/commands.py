"""What a person at a charge point or with an app can do, by name: the commands of a virtual party."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError, validate_call

CommandResult = Mapping[str, Any]
Action = Callable[..., Awaitable[CommandResult]]
A = TypeVar("A", bound=Action)


class CommandError(Exception):
    """A command that cannot be carried out: unknown, with wrong arguments, or not possible now."""


class Commands:
    """Named actions with checked arguments."""

    def __init__(self, *actions: Action) -> None:
        self._actions = {action.__name__: validate_call(action) for action in actions}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all actions."""
        return tuple(self._actions)

    async def run(self, name: str, arguments: Mapping[str, Any]) -> CommandResult:
        """Carry out the action. Raises CommandError, or what the action raises."""
        action = self._actions.get(name)
        if action is None:
            raise CommandError(f"there is no command {name!r}; there are {', '.join(self._actions)}")
        try:
            return await action(**arguments)
        except ValidationError as error:
            wrong = sorted({str(part) for detail in error.errors() for part in detail["loc"][:1]})
            raise CommandError(f"{name}: missing, unknown or unusable: {', '.join(wrong)}") from None
