"""scripts/spec: the comparison with Hubject's OpenAPI descriptions, shown on descriptions made here."""

import json
from pathlib import Path
from typing import Any

import pytest

from p2pnode.oicp.errata import ERRATA
from p2pnode.oicp.operations import PUSH_EVSE_STATUS, Role
from spec_check.__main__ import main
from spec_check.checks import check_examples, check_lab, check_paths, check_samples, models
from spec_check.deviations import EXAMPLES, LAB, PATHS, SAMPLES, SNIPPETS
from spec_check.documents import Description, generalized, load
from spec_check.report import Deviation, Difference, Place, Report
from spec_check.snippets import CHAPTERS, check_snippets, snippets

ANY_OBJECT: dict[str, Any] = {"type": "object"}


def described(path: str, request: str, answer: str, **schemas: dict[str, Any]) -> Description:
    """A description of one path whose schemas are any object, unless they are given."""

    def body(schema: str) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}

    content = {
        "paths": {path: {"post": {"requestBody": body(request), "responses": {"200": body(answer)}}}},
        "components": {"schemas": {request: ANY_OBJECT, answer: ANY_OBJECT, **schemas}},
    }
    return Description(Role.CPO, content)


def push_status(**schemas: dict[str, Any]) -> Description:
    return described(PUSH_EVSE_STATUS.path, "eRoamingPushEvseStatus", "eRoamingAcknowledgment", **schemas)


def test_a_path_that_agrees_with_its_row_is_no_difference() -> None:
    report = check_paths([push_status()])
    assert report.compared == 1
    assert [found for found in report.unexpected if found.rule != "described"] == []


def test_a_path_that_the_table_lacks_is_reported() -> None:
    report = check_paths([described("/parking/v1", "eRoamingPark", "eRoamingAcknowledgment")])
    assert "POST /parking/v1 is not in the operation table" in [found.message for found in report.unexpected]


def test_another_name_of_a_path_parameter_is_reported() -> None:
    path = PUSH_EVSE_STATUS.path.replace("{operatorID}", "{externalID}")
    report = check_paths([described(path, "eRoamingPushEvseStatus", "eRoamingAcknowledgment")])
    assert ("PushEvseStatus", "parameter") in [(found.subject, found.rule) for found in report.unexpected]


def test_another_answer_than_the_rows_is_reported() -> None:
    report = check_paths([described(PUSH_EVSE_STATUS.path, "eRoamingPushEvseStatus", "eRoamingEVSEData")])
    assert ("PushEvseStatus", "answer") in [(found.subject, found.rule) for found in report.unexpected]


def test_a_sample_that_a_schema_refuses_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "PushEvseStatus.request.json").write_text(json.dumps({"ActionType": 1}), "utf-8")
    (tmp_path / "PushEvseStatus.answer.json").write_text("{}", "utf-8")
    schema = {"type": "object", "properties": {"ActionType": {"type": "string"}}}
    report = check_samples([push_status(eRoamingPushEvseStatus=schema)], tmp_path)
    assert [(found.subject, found.pointer, found.rule) for found in report.unexpected] == [
        ("PushEvseStatus.request", "/ActionType", "type")
    ]


def test_a_member_that_no_schema_describes_is_reported(tmp_path: Path) -> None:
    (tmp_path / "PushEvseStatus.request.json").write_text(json.dumps({"actionType": "fullLoad"}), "utf-8")
    (tmp_path / "PushEvseStatus.answer.json").write_text("{}", "utf-8")
    files = {"oicp-2.3-cpo.openapi.json": {"ActionType": {"type": "string", "nullable": True}}}
    for name in ("oicp-2.3-cpo.openapi.json", "oicp-2.3-emp.openapi.json"):
        schema = {"type": "object", "properties": files.get(name, {})}
        components = {"schemas": {"eRoamingPushEvseStatus": schema}}
        (tmp_path / name).write_text(json.dumps({"paths": {}, "components": components}), "utf-8")
    cpo, _ = load(tmp_path)
    assert [found.pointer for found in cpo.violations("eRoamingPushEvseStatus", {"actionType": "x"})] == ["/actionType"]
    assert list(cpo.violations("eRoamingPushEvseStatus", {"ActionType": None})) == []


def test_a_missing_sample_is_reported(tmp_path: Path) -> None:
    report = check_samples([push_status()], tmp_path)
    assert {found.rule for found in report.unexpected} == {"missing"}


def test_an_example_our_message_does_not_read_is_reported() -> None:
    schema = {"type": "object", "example": {"ActionType": "fullLoad"}}
    report = check_examples([push_status(eRoamingPushEvseStatus=schema)])
    assert ("/OperatorEvseStatus", "missing") in [(found.pointer, found.rule) for found in report.unexpected]


def test_a_member_our_message_does_not_know_is_reported_with_its_place() -> None:
    example = {
        "ActionType": "fullLoad",
        "OperatorEvseStatus": {
            "OperatorID": "DE*ABC",
            "EvseStatusRecord": [{"EvseID": "DE*ABC*E1", "EvseStatus": "Available", "Colour": "red"}],
        },
    }
    report = check_examples([push_status(eRoamingPushEvseStatus={"type": "object", "example": example})])
    pointer = "/OperatorEvseStatus/EvseStatusRecord/*/Colour"
    assert pointer in [found.pointer for found in report.unexpected]


def crossing(kind: str, body: str) -> str:
    return json.dumps({"operation": "PushEvseStatus", "kind": kind, "body": body})


def test_a_body_of_the_lab_that_a_schema_refuses_is_reported_once(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    lines = [crossing("request", '{"ActionType":1}'), crossing("request", '{"ActionType":2}'), crossing("answer", "{}")]
    capture.write_text("\n".join(lines), "utf-8")
    schema = {"type": "object", "properties": {"ActionType": {"type": "string"}}}
    report = check_lab([push_status(eRoamingPushEvseStatus=schema)], capture)
    assert report.compared == 3
    assert [(found.subject, found.pointer, found.rule) for found in report.unexpected] == [
        ("PushEvseStatus.request", "/ActionType", "type")
    ]


def test_an_operation_that_the_lab_left_out_is_reported(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    capture.write_text(crossing("request", "{}"), "utf-8")
    report = check_lab([push_status()], capture)
    assert [(found.subject, found.rule) for found in report.unexpected] == [("PushEvseStatus.answer", "missing")]


CHAPTER = """
= Code Snippets
== eRoamingAuthorizeStop
=== Request Code
[source,JSON]
----
{"OperatorID": "DE*ABC"}
----
===  Response Code
----
{"AuthorizationStatus": "Authorized", "StatusCode": {"Code": "000"}}
----
"""


def texts(root: Path, cpo: str, emp: str = "") -> Path:
    for role, text in ((Role.CPO, cpo), (Role.EMP, emp)):
        path = root / CHAPTERS[role]
        path.parent.mkdir()
        path.write_text(text, "utf-8")
    return root


def test_the_snippets_of_a_chapter_are_found_with_their_headings() -> None:
    found = [(each.title, each.kind, each.text[:15]) for each in snippets(Role.CPO, CHAPTER)]
    assert found == [("AuthorizeStop", "request", '{"OperatorID": '), ("AuthorizeStop", "answer", '{"Authorization')]


def test_a_snippet_that_our_message_does_not_read_is_reported(tmp_path: Path) -> None:
    report = check_snippets(texts(tmp_path, CHAPTER), ())
    assert report.compared == 2
    assert ("AuthorizeStop.request", "/SessionID", "missing") in [
        (found.subject, found.pointer, found.rule) for found in report.unexpected
    ]
    assert "AuthorizeStop.answer" not in [found.subject for found in report.unexpected]


def test_a_snippet_of_no_operation_and_one_that_is_no_json_are_reported(tmp_path: Path) -> None:
    broken = CHAPTER.replace('{"OperatorID": "DE*ABC"}', "{,}")
    report = check_snippets(texts(tmp_path, broken, CHAPTER.replace("AuthorizeStop", "Park")), ())
    assert [found.rule for found in report.unexpected] == ["json", "row", "row"]


def test_the_snippets_are_checked_also_without_the_descriptions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = texts(tmp_path, CHAPTER)
    assert main(["--spec", str(tmp_path), "--snippets", str(directory)]) == 1
    assert "snippets" in capsys.readouterr().out
    assert main(["--spec", str(tmp_path), "--snippets", str(tmp_path / "elsewhere")]) == 1
    assert "error: " in capsys.readouterr().err


def test_a_known_deviation_is_expected_and_one_that_no_longer_occurs_fails() -> None:
    place = Place((Role.CPO,), "PushEvseStatus", "/ActionType", "type")
    difference = Difference(Role.CPO, "PushEvseStatus", "/ActionType", "type", "not a string")
    known = [Deviation(place, "E001")]
    assert not Report("samples", 1, [difference], known).failed
    agreed = Report("samples", 1, [], known)
    assert agreed.failed
    assert agreed.stale == [(Role.CPO, known[0])]


def test_a_deviation_is_one_of_the_named_document_only() -> None:
    place = Place((Role.CPO,), "PushEvseStatus", "/ActionType", "type")
    elsewhere = Difference(Role.EMP, "PushEvseStatus", "/ActionType", "type", "not a string")
    assert Report("samples", 1, [elsewhere], [Deviation(place, "E001")]).unexpected == [elsewhere]


def test_every_deviation_cites_an_erratum_that_exists_or_says_why() -> None:
    ids = {erratum.id for erratum in ERRATA}
    for deviation in (*PATHS, *SAMPLES, *EXAMPLES, *LAB, *SNIPPETS):
        assert deviation.reason in ids or " " in deviation.reason


def test_a_place_inside_a_list_is_named_for_all_its_elements() -> None:
    assert generalized(["content", 3, "a/b"]) == "/content/*/a~1b"


def test_without_the_descriptions_the_check_says_it_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--spec", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith("skipped: ")
    assert main(["--spec", str(tmp_path), "--require"]) == 1


def test_the_outcome_is_shown_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("oicp-2.3-cpo.openapi.json", "oicp-2.3-emp.openapi.json"):
        (tmp_path / name).write_text(json.dumps({"paths": {}, "components": {"schemas": {}}}), "utf-8")
    assert main(["--spec", str(tmp_path), "--json"]) == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["check"] for report in reports] == ["paths", "errata", "samples", "examples"]


def test_every_message_of_the_table_is_found_by_the_name_of_its_schema() -> None:
    assert models()["pushevsestatus"] is PUSH_EVSE_STATUS.request
