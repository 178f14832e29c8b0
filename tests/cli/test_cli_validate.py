"""`p2pnode validate`, `p2pnode id` and `p2pnode errata`."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p2pnode.cli import run
from p2pnode.cli.validate import SHOWN
from p2pnode.oicp.errata import ERRATA
from tests.samples import sample


@pytest.fixture
def message(tmp_path: Path) -> Path:
    file = tmp_path / "message.json"
    file.write_bytes(sample("ChargeDetailRecord.request"))
    return file


def changed(file: Path, **members: Any) -> str:  # noqa: ANN401 - any member
    file.write_text(json.dumps(json.loads(file.read_text()) | members))
    return str(file)


def test_a_valid_message_is_said_to_be_valid(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "ChargeDetailRecord", str(message)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "ChargeDetailRecord is valid: 0 errors, 0 warnings\n"


def test_each_violation_is_a_line_with_severity_place_code_and_sentence(
    message: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", "ChargeDetailRecord", changed(message, EvseID="nonsense", ConsumedEnergy=99)]) == 1
    told = capsys.readouterr()
    lines = [line.rstrip().split(maxsplit=3) for line in told.out.splitlines()]
    assert lines[0] == ["severity", "place", "code", "what"]
    assert ["error", "/EvseID", "grammar"] in [line[:3] for line in lines]
    assert ["warning", "/ConsumedEnergy", "energy"] in [line[:3] for line in lines]
    assert told.err == "ChargeDetailRecord is not valid: 1 error, 1 warning\n"


def test_warnings_alone_leave_the_exit_code_0(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "chargedetailrecord", changed(message, ConsumedEnergy=99)]) == 0
    assert "is valid: 0 errors, 1 warning" in capsys.readouterr().err


def test_a_message_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["-"], []):
        body = sample("AuthorizeStart.answer")
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(body)))
        assert run(["validate", "AuthorizeStart.answer", *arguments]) == 0
        assert "AuthorizeStart.answer is valid" in capsys.readouterr().err


def test_validation_as_json_has_everything(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "ChargeDetailRecord", changed(message, EvseID="nonsense"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "kind": "ChargeDetailRecord",
        "valid": False,
        "records": 0,
        "violations": [
            {
                "pointer": "/EvseID",
                "code": "grammar",
                "severity": "error",
                "message": "EvseID is not a valid EvseIDType.",
            }
        ],
        "mended": [],
    }


def test_mends_are_told_and_a_long_list_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [{"EvseID": f"DE*ABC*E{number}", "EVSEStatus": "Available"} for number in range(SHOWN + 50)]
    file = tmp_path / "status.json"
    file.write_text(json.dumps(records))
    assert run(["validate", "evse-status", str(file)]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == SHOWN + 1
    assert told.out.splitlines()[1].split()[:3] == ["mended", "/0/EVSEStatus", "member-renamed"]
    assert told.err.splitlines() == [
        "and 50 more; --json shows all",
        "evse-status is valid: 0 errors, 0 warnings, 250 records, 250 mends",
        "  member-renamed, 250 times",
    ]
    assert run(["validate", "evse-status", str(file), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["mended"]) == SHOWN + 50


def test_a_file_that_is_not_there_is_another_exit_code_than_a_bad_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", "AuthorizeStart", str(tmp_path / "nothing.json")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told] == ["error", "hint"]


def test_an_unknown_kind_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "Nonsense"]) == 2
    assert "hint: see `p2pnode validate --help`" in capsys.readouterr().err


def test_an_identifier_is_explained_in_every_reading(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["id", "degef"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["OperatorID", "ISO", "DE", "GEF", "DE*GEF"], ["ProviderID", "ISO", "DE", "GEF", "DE-GEF"]]
    assert run(["id", "+49*810*000*438", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "kind": "EvseID",
            "standard": "DIN",
            "country": "+49",
            "party": "810",
            "instance": "000*438",
            "key": "+49*810*000438",
        }
    ]


def test_what_is_no_identifier_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["id", "what is this"]) == 1
    assert capsys.readouterr().err.startswith("error: 'what is this' follows the grammar of no identifier of OICP\n")


def test_the_errata_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["errata"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [each.id for each in ERRATA]
    assert run(["errata", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["source"] for each in told] == [each.source for each in ERRATA]
