"""scripts/audit: nobody asked is not the same as nothing known."""

import json

import pytest

from auditing import NOT_ASKED, SOUND, VULNERABLE, verdict

GOOD: dict[str, object] = {"name": "good", "version": "1", "vulns": []}
BAD: dict[str, object] = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN: dict[str, object] = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}
OWN: dict[str, object] = {"name": "p2pnode", "skip_reason": "distribution marked as editable"}


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([GOOD, OWN], SOUND, "1 packages"),
        ([GOOD, BAD], VULNERABLE, "bad 2: PYSEC-1, mended in 3"),
        ([GOOD, UNKNOWN], VULNERABLE, "not audited"),
        ([UNKNOWN, OWN], NOT_ASKED, "knows none"),
        (None, NOT_ASKED, "no answer"),
    ],
)
def test_what_was_not_audited_is_not_sound(packages: list[object] | None, code: int, told: str) -> None:
    found = verdict("" if packages is None else json.dumps({"dependencies": packages, "fixes": []}))
    assert found.code == code
    assert told in found.lines[0]
