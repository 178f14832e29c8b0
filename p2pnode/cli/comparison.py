"""Comparing a partner's pin with what the partner tells: on every way a stranger becomes a peer."""

import sys
from dataclasses import dataclass

import click

from p2pnode.config.pins import is_same_pin
from p2pnode.web.problem import Problem

yes_option = click.option("is_sure", "--yes", is_flag=True, help="Do not ask: the pin has been compared already.")
pin_option = click.option(
    "told_pin", "--pin", help="The pin the partner told, whole or spoken; nothing happens where it is another."
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a person has told of the partner's pin: the pin, or that it has been compared already, or nothing yet."""

    told_pin: str | None
    is_sure: bool

    def confirm(self, pin: str) -> None:
        """Compare, or ask. Raises Problem where the pin is not the partner's."""
        if self.told_pin is not None:
            if not is_same_pin(pin, self.told_pin):
                raise Problem("the pin is another than the one told: somebody may be in between", "ask the partner")
        elif not self.is_sure:
            if not sys.stdin.isatty():
                raise Problem("nobody is here to compare the pin", "say --pin PIN as the partner told it, or --yes")
            if not click.confirm("Does the partner read the same from `p2pnode status`?", err=True):
                raise Problem("nothing was done: the pin is not the partner's", "ask the partner for address and pin")
