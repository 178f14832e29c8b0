"""The constraints found in a message's annotations, compiled once per class into checks.

Nearly all messages keep all their rules. To find that out by walking through a plan costs more than reading the
message did, so the plan of each class is also written as a function, the way `dataclasses` writes `__init__`, that
says yes or no. Pointers and sentences are made for violations only. No sentence repeats a value: it may be a UID or
a PIN.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

from p2pnode.oicp.codec import MOST_VIOLATIONS
from p2pnode.oicp.constraints import Constraint, Grammar, Length, OneOf, Places, Range
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.model import OicpModel

Predicate = Callable[[Any], object]
Keeps = Callable[[OicpModel], bool]
Rule = Callable[[Any, str], Iterator[Violation]]
"""A rule over several members: the message and its pointer to the violations."""

Counting = Callable[[Any], str | None]
"""For a choice between members: the attribute of the one that counts. The others are not looked into."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an annotation says: the constraints on the value, and what is inside it."""

    constraints: tuple[Constraint, ...] = ()
    element: "Shape | None" = None
    model: type[OicpModel] | None = None


class Limit(NamedTuple):
    """One compiled constraint on a member, or on the elements of a list."""

    attribute: str
    name: str
    holds: Predicate
    constraint: Constraint


class Inside(NamedTuple):
    """A member that is a message itself, or a list of messages."""

    attribute: str
    name: str
    is_list: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to check in one class of message."""

    limits: tuple[Limit, ...]
    element_limits: tuple[Limit, ...]
    inside: tuple[Inside, ...]
    rules: tuple[Rule, ...]
    counting: Counting | None


def shape_of(annotation: object, metadata: Sequence[object] = ()) -> Shape:
    """The shape of a type as it stands in an annotation; null is not part of it."""
    constraints = tuple(item for item in metadata if isinstance(item, Constraint))
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *own = get_args(annotation)
        return _merged(constraints, shape_of(inner, own))
    if origin in {Union, UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
        return _merged(constraints, shape_of(options[0])) if len(options) == 1 else Shape(constraints)
    if origin is list:
        return Shape(constraints, element=shape_of(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, OicpModel):
        return Shape(constraints, model=annotation)
    return Shape(constraints)


def _merged(constraints: tuple[Constraint, ...], shape: Shape) -> Shape:
    return Shape((*shape.constraints, *constraints), shape.element, shape.model)


class Rulebook:
    """The rules over several members by class of message, and the plans of the classes met so far."""

    def __init__(
        self,
        rules: Mapping[type[OicpModel], tuple[Rule, ...]],
        counting: Mapping[type[OicpModel], Counting],
    ) -> None:
        self._rules = rules
        self._counting = counting
        self._plans: dict[type[OicpModel], Plan] = {}
        self._keepers = _Keepers(self._plan)

    def check(self, message: OicpModel) -> tuple[Violation, ...]:
        """Every violation in a message and in everything inside it, up to about a thousand."""
        if self._keepers[type(message)](message):
            return ()
        found: list[Violation] = []
        self._check(message, "", found)
        return tuple(found)

    def _plan(self, model: type[OicpModel]) -> Plan:
        plan = self._plans.get(model)
        if plan is None:
            rules = tuple(rule for kind in model.__mro__ if kind in self._rules for rule in self._rules[kind])
            plan = self._plans[model] = _plan_of(model, rules, self._counting.get(model))
        return plan

    def _check(self, message: OicpModel, at: str, found: list[Violation]) -> None:
        plan = self._plan(type(message))
        values = message.__dict__
        for attribute, name, holds, constraint in plan.limits:
            value = values[attribute]
            if value is not None and not holds(value):
                found.append(_violation(constraint, value, f"{at}/{name}", name))
        for attribute, name, holds, constraint in plan.element_limits:
            elements = values[attribute]
            if elements and not all(map(holds, elements)):
                _check_elements(elements, f"{at}/{name}", Limit(attribute, name, holds, constraint), found)
        counts = plan.counting(message) if plan.counting else None
        for attribute, name, is_list in plan.inside:
            value = values[attribute]
            if value is None or (counts is not None and counts != attribute):
                continue
            if is_list:
                self._check_all(value, f"{at}/{name}", found)
            else:
                self._check(value, f"{at}/{name}", found)
        for rule in plan.rules:
            found.extend(rule(message, at))

    def _check_all(self, messages: list[OicpModel], at: str, found: list[Violation]) -> None:
        for index, message in enumerate(messages):
            if len(found) >= MOST_VIOLATIONS:
                return
            self._check(message, f"{at}/{index}", found)


def _check_elements(elements: list[object], at: str, limit: Limit, found: list[Violation]) -> None:
    for index, element in enumerate(elements):
        if len(found) >= MOST_VIOLATIONS:
            return
        if not limit.holds(element):
            found.append(_violation(limit.constraint, element, f"{at}/{index}", limit.name))


def _plan_of(model: type[OicpModel], rules: tuple[Rule, ...], counting: Counting | None) -> Plan:
    limits: list[Limit] = []
    element_limits: list[Limit] = []
    inside: list[Inside] = []
    for attribute, field in model.model_fields.items():
        name = field.serialization_alias or attribute
        shape = shape_of(field.annotation, field.metadata)
        limits += [Limit(attribute, name, _predicate(constraint), constraint) for constraint in shape.constraints]
        if shape.model is not None:
            inside.append(Inside(attribute, name, is_list=False))
        element = shape.element
        if element is not None:
            constraints = element.constraints
            element_limits += [Limit(attribute, name, _predicate(constraint), constraint) for constraint in constraints]
            if element.model is not None:
                inside.append(Inside(attribute, name, is_list=True))
    return Plan(tuple(limits), tuple(element_limits), tuple(inside), rules, counting)


class _Keepers(dict[type[OicpModel], Keeps]):
    """For each class of message, whether one keeps all its rules; the functions are made when first asked for."""

    def __init__(self, plan: Callable[[type[OicpModel]], Plan]) -> None:
        super().__init__()
        self._plan = plan

    def __missing__(self, model: type[OicpModel]) -> Keeps:
        keeps = self[model] = _keeper(self._plan(model), self)
        return keeps


def _keeper(plan: Plan, keepers: _Keepers) -> Keeps:
    """The plan as a function of a message that says whether everything holds."""
    known: dict[str, Any] = {"keepers": keepers, "counting": plan.counting}
    lines = ["values = message.__dict__"]

    def add(attribute: str, condition: str) -> None:
        lines.extend((f"value = values[{attribute!r}]", f"if value is not None and not ({condition}): return False"))

    for number, limit in enumerate(plan.limits):
        match limit.constraint:
            case Length(minimum=shortest, maximum=longest):  # a call would cost more than the comparison
                add(limit.attribute, f"{shortest} <= len(value) <= {longest}")
            case _:
                known[f"holds{number}"] = limit.holds
                add(limit.attribute, f"holds{number}(value)")
    for number, limit in enumerate(plan.element_limits):
        known[f"each{number}"] = limit.holds
        add(limit.attribute, f"all(map(each{number}, value))")
    if plan.counting:
        lines.append("counts = counting(message)")
    for inside in plan.inside:
        keeps = "all([keepers[type(one)](one) for one in value])" if inside.is_list else "keepers[type(value)](value)"
        ignored = f"counts not in (None, {inside.attribute!r}) or " if plan.counting else ""
        add(inside.attribute, f"({ignored}{keeps})")
    for number, rule in enumerate(plan.rules):
        known[f"rule{number}"] = rule
        lines.append(f"for broken in rule{number}(message, ''): return False")
    exec("\n ".join(("def keeps(message):", *lines, "return True")), known)  # noqa: S102 - of names in our own classes
    return cast("Keeps", known["keeps"])


def _predicate(constraint: Constraint) -> Predicate:
    match constraint:
        case Grammar(pattern=pattern):
            return pattern.fullmatch
        case OneOf(values=values):
            return frozenset(member.value for member in values).__contains__
        case Length(minimum=shortest, maximum=longest):
            return lambda value: shortest <= len(value) <= longest
        case Range(minimum=least, maximum=most):
            return lambda value: least <= value <= most
        case Places(maximum=places):
            return lambda value: _has_places(value, places)


def _has_places(value: Decimal, places: int) -> bool:
    """Whether no digit but 0 stands after the allowed places."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= -places:
        return True
    return not any(digits[exponent + places :])


def _violation(constraint: Constraint, value: object, at: str, name: str) -> Violation:
    match constraint:
        case Grammar(name=grammar):
            return Violation(at, "grammar", f"{name} is not a valid {grammar}.", constraint.severity)
        case OneOf(values=values):
            sentence = f"{name} is not one of the values of {values.__name__}."
            return Violation(at, "one-of", sentence, constraint.severity)
        case Length():
            return Violation(at, "length", _length(constraint, value, name), constraint.severity)
        case Range(minimum=least, maximum=most):
            return Violation(at, "range", f"{name} is not between {least} and {most}.", constraint.severity)
        case Places(maximum=0):
            return Violation(at, "places", f"{name} is not a whole number.", constraint.severity)
        case Places(maximum=places):
            sentence = f"{name} has more than {places} digits after the decimal point."
            return Violation(at, "places", sentence, constraint.severity)


def _length(limit: Length, value: object, name: str) -> str:
    size = len(cast("str | list[object]", value))
    unit = "elements" if isinstance(value, list) else "characters"
    allowed = f"at most {limit.maximum}" if size > limit.maximum else f"at least {limit.minimum}"
    return f"{name} has {size} {unit}, and {allowed} are allowed."
