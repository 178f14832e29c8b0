"""Known vulnerabilities of what is installed: pip-audit asked, and its answer taken for no more than it is.

pip-audit by itself succeeds where the service knows none of the packages, as a mirror of the index that tells no
advisories. Here a package that nobody was asked about is never counted as sound.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

SOUND, VULNERABLE, NOT_ASKED = 0, 1, 75
"""Exit codes; the last one is that of `sysexits.h` for what may succeed later."""
OWN = "p2pnode"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The exit code, and the lines that tell why."""

    code: int
    lines: Sequence[str]


def verdict(output: str) -> Verdict:
    """What the JSON of pip-audit says, or that it is none."""
    try:
        report = cast("Mapping[str, Any]", json.loads(output))
    except ValueError:
        return Verdict(NOT_ASKED, ["no answer"])
    packages = [each for each in report["dependencies"] if each["name"] != OWN]
    skipped = [each for each in packages if "skip_reason" in each]
    if len(skipped) == len(packages):
        return Verdict(NOT_ASKED, ["it knows none of the packages"])
    found = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
        for each in packages
        for vulnerability in each.get("vulns", ())
    ]
    found += [f"not audited: {each['skip_reason']}" for each in skipped]
    return Verdict(VULNERABLE, found) if found else Verdict(SOUND, [f"{len(packages)} packages, nothing known of any"])
