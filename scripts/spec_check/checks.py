"""The four checks: paths, errata, samples, examples."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import p2pnode.oicp
from p2pnode.oicp import codec, rules
from p2pnode.oicp.errors import ProtocolError, Violation
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role
from p2pnode.oicp.paths import by_path
from spec_check.deviations import EXAMPLES, LAB, PATHS, SAMPLES
from spec_check.documents import UNKNOWN_MEMBER, Description, Endpoint, generalized, model_name
from spec_check.evidence import EVIDENCE
from spec_check.report import Difference, Report

SAMPLES_DIRECTORY = Path(p2pnode.oicp.__path__[0]) / "samples"


def _shape(path: str) -> str:
    """The path without the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path)


def check_paths(descriptions: Sequence[Description]) -> Report:
    """Every path and method of the descriptions is in the table, and every row agrees with those that know it."""
    rows_at = {_shape(path): rows for path, rows in by_path().items()}
    compared = 0
    found: list[Difference] = []
    for description in descriptions:
        for endpoint in description.endpoints():
            compared += 1
            found.extend(_compare(description.role, endpoint, rows_at.get(_shape(endpoint.path), ())))
    described = {_shape(endpoint.path) for description in descriptions for endpoint in description.endpoints()}
    found.extend(
        Difference(description.role, row.name, "", "described", f"{row.path} is in neither description")
        for row in OPERATIONS
        for description in descriptions
        if _shape(row.path) not in described
    )
    return Report("paths", compared, found, PATHS)


def _compare(document: Role, endpoint: Endpoint, rows: Sequence[AnyOperation]) -> Iterator[Difference]:
    if endpoint.method != "post" or not rows:
        message = f"{endpoint.method.upper()} {endpoint.path} is not in the operation table"
        yield Difference(document, endpoint.path, "", "row", message)
        return
    for row in rows:
        if endpoint.path not in row.paths:
            yield Difference(document, row.name, "", "parameter", f"{endpoint.path}, here {row.path}")
        if _named(endpoint.requests, row.request) is None:
            message = f"{row.request.__name__} is not among {', '.join(endpoint.requests)}"
            yield Difference(document, row.name, "", "request", message)
        if _named(endpoint.answers, row.answer) is None:
            message = f"{row.answer.__name__} is not among {', '.join(endpoint.answers)}"
            yield Difference(document, row.name, "", "answer", message)
    requests = {row.request.__name__.casefold() for row in rows}
    for schema in endpoint.requests:
        if model_name(schema) not in requests:
            yield Difference(document, schema, "", "row", f"no row at {endpoint.path} reads {schema}")


def _named(schemas: Sequence[str], model: type[OicpModel]) -> str | None:
    """The schema that bears the name of the model, or of the message whose form it shares."""
    own = [each.__name__.casefold() for each in model.__mro__]
    return next((schema for schema in schemas if model_name(schema) in own), None)


def check_errata(descriptions: Sequence[Description]) -> Report:
    """What an erratum says of the descriptions is still to be seen in them, and its form is one that is read."""
    compared = 0
    found: list[Difference] = []
    for evidence in EVIDENCE:
        erratum, value = evidence.erratum, evidence.value
        names_a_member = evidence.pointer.endswith(("/properties", "/example"))
        for description in descriptions:
            if description.role not in evidence.documents:
                continue
            compared += 1
            if not description.holds(evidence.pointer, value):
                message = f"{value} is not there"
                found.append(Difference(description.role, erratum.id, evidence.pointer, "evidence", message))
            elif names_a_member and value not in erratum.forms:
                message = f"{value} is not among {', '.join(erratum.forms)}"
                found.append(Difference(description.role, erratum.id, evidence.pointer, "form", message))
    return Report("errata", compared, found, ())


def check_samples(descriptions: Sequence[Description], directory: Path = SAMPLES_DIRECTORY) -> Report:
    """Every sample of a request and of an answer is valid by the schema of each description that has its operation."""
    compared = 0
    found: list[Difference] = []
    for description in descriptions:
        for row, schema, kind in _sampled(description):
            subject = f"{row.name}.{kind}"
            compared += 1
            file = directory / f"{subject}.json"
            if not file.is_file():
                found.append(Difference(description.role, subject, "", "missing", f"there is no {file.name}"))
                continue
            sample: object = json.loads(file.read_text("utf-8"))
            found.extend(
                Difference(description.role, subject, violation.pointer, violation.code, violation.message)
                for violation in description.violations(schema, sample)
            )
    return Report("samples", compared, found, SAMPLES)


def check_lab(descriptions: Sequence[Description], capture: Path) -> Report:
    """Every body that crossed the wire of the lab is valid by the schema of each description that has its operation.

    `capture` is the file that `p2pnode lab --dialect hubject --capture` wrote. Every operation has to be in it.
    """
    lines: list[dict[str, Any]] = [json.loads(line) for line in capture.read_text("utf-8").splitlines()]
    compared = 0
    found: list[Difference] = []
    for description in descriptions:
        for row, schema, kind in _sampled(description):
            subject = f"{row.name}.{kind}"
            bodies = [line["body"] for line in lines if (line["operation"], line["kind"]) == (row.name, kind)]
            compared += len(bodies)
            if not bodies:
                found.append(Difference(description.role, subject, "", "missing", "it did not cross the wire"))
            violations = [each for body in bodies for each in description.violations(schema, json.loads(body))]
            found.extend(
                Difference(description.role, subject, pointer, code, message)
                for (pointer, code), message in {(each.pointer, each.code): each.message for each in violations}.items()
            )
    return Report("lab", compared, found, LAB)


def _sampled(description: Description) -> Iterator[tuple[AnyOperation, str, str]]:
    """Each operation of the description with the schema of its request, and of its answer."""
    endpoints = {_shape(endpoint.path): endpoint for endpoint in description.endpoints()}
    for row in OPERATIONS:
        endpoint = endpoints.get(_shape(row.path))
        request = _named(endpoint.requests, row.request) if endpoint else None
        answer = _named(endpoint.answers, row.answer) if endpoint else None
        if request:
            yield row, request, "request"
        if answer:
            yield row, answer, "answer"


def check_examples(descriptions: Sequence[Description]) -> Report:
    """Every example of the descriptions reads and keeps the rules, and our message knows each of its members."""
    known = models()
    compared = 0
    found: list[Difference] = []
    for description in descriptions:
        for schema, example in description.examples():
            compared += 1
            model = known.get(model_name(schema))
            violations = (
                violations_in(model, example) if model else [Violation("", "model", "there is no model of this name")]
            )
            found.extend(
                Difference(description.role, schema, generalized(each.pointer.split("/")[1:]), each.code, each.message)
                for each in violations
            )
    return Report("examples", compared, found, EXAMPLES)


def violations_in(model: type[OicpModel], example: Mapping[str, object]) -> Sequence[Violation]:
    """What keeps a decoded message from being read, what our message does not know in it, and which rules it breaks."""
    try:
        message = codec.read(model, json.dumps(example).encode())
    except ProtocolError as error:
        return error.violations
    return [*_unknown(message, ""), *rules.errors_in(rules.check(message))]


def _unknown(value: object, pointer: str) -> Iterator[Violation]:
    """The members of a message, and of what is inside it, that no model names."""
    if isinstance(value, list | tuple):
        for index, element in enumerate(cast("Sequence[object]", value)):
            yield from _unknown(element, f"{pointer}/{index}")
    elif isinstance(value, OicpModel):
        for member in value.model_extra or ():
            yield Violation(f"{pointer}/{member}", UNKNOWN_MEMBER, f"{type(value).__name__} has no member of this name")
        for name, field in type(value).model_fields.items():
            yield from _unknown(getattr(value, name), f"{pointer}/{field.serialization_alias or name}")


def models() -> Mapping[str, type[OicpModel]]:
    """Every message and data type by its name in lower case."""
    for module in pkgutil.iter_modules(p2pnode.oicp.__path__):
        importlib.import_module(f"p2pnode.oicp.{module.name}")

    def below(model: type[OicpModel]) -> Iterator[type[OicpModel]]:
        for each in model.__subclasses__():
            yield each
            yield from below(each)

    return {model.__name__.casefold(): model for model in below(OicpModel)}
