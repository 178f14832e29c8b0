"""Files of real charging data: one node imports them, publishes them to the other, and the other pulls them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pnode.lab.messages import pull_evse_data
from p2pnode.lab.scenario_pulls import by_operator, crawl
from p2pnode.lab.stage import Actor, Checks, Crossing, Stage
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.evse_files import FileReading, read_evse_data_file, read_evse_status_file
from p2pnode.oicp.identifiers import evse_key, operator_of_evse
from p2pnode.oicp.operations import PULL_EVSE_DATA, PULL_EVSE_STATUS, PUSH_EVSE_DATA, PUSH_EVSE_STATUS
from p2pnode.oicp.rules import check, errors_in
from p2pnode.oicp.status import Code
from p2pnode.web.problem import Problem

PAGES = 3
"""In about how many pages the imported records are pulled back, as far as the largest page allows."""
SAMPLES = 2
"""How many mended records are told one by one."""
TOLD = 20
"""How many refused records are told one by one."""


Mended = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of EVSE data or status: its bytes, its operators, the keys of the EVSEs whose records are usable.

    `mended` tells of each usable record that is not quite right its EvseID and what has to be done about it.
    """

    path: Path
    kind: str
    body: bytes
    operators: frozenset[str]
    evse_keys: frozenset[str]
    mended: tuple[Mended, ...]


def read_file(path: Path, kind: str) -> DataFile:
    """Read a file of EVSE `data` or `status`. Raises Problem where it holds none."""
    try:
        body = path.read_bytes()
        reading: FileReading[Any] = read_evse_data_file(body) if kind == "data" else read_evse_status_file(body)
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "name a file") from error
    except InvalidMessage as error:
        raise Problem(f"{path} holds no EVSE {kind}: {error.reason}", "see `p2pnode evse import --help`") from error
    usable = [
        (found, found.record.evse_id)
        for found in (record.reading for record in reading.records)
        if found.record is not None and not errors_in(check(found.record))
    ]
    evse_ids = [evse_id for _, evse_id in usable]
    inside = {operator for evse_id in evse_ids if (operator := operator_of_evse(evse_id)) is not None}
    listed = {operator.operator_id for operator in reading.operators if operator.operator_id}
    return DataFile(
        path,
        kind,
        body,
        operators=frozenset(inside | listed),
        evse_keys=frozenset(map(evse_key, evse_ids)),
        mended=tuple(
            {"evse_id": evse_id, "mends": [f"{mend.pointer}: {mend.sentence}" for mend in found.mended]}
            for found, evse_id in usable
            if found.mended
        ),
    )


async def import_data(stage: Stage, cpo: Actor, emp: Actor, file: DataFile) -> None:
    """Import EVSE data, publish it, and pull all of it back in pages."""
    stage.begin(f"{cpo.name} imports the charge points in {file.path.name}")
    async with stage.step("imported and published", Crossing(PUSH_EVSE_DATA, cpo, emp)) as checks:
        report = await _import(cpo, file, checks)
        known = (await emp.client.get("/api/evses", owner=cpo.name, size="1"))["total"]
        checks.that(f"{emp.name} knows all that were taken", holds=known >= report["taken"])
    size = max(2, min(LARGEST_PAGE_SIZE, -(-len(file.evse_keys) // PAGES)))
    async with stage.step(f"pulled back, {size} a page", Crossing(PULL_EVSE_DATA, emp, cpo)) as checks:
        body = pull_evse_data(emp.party)
        records = await crawl(emp, cpo, PULL_EVSE_DATA, body, size=size, checks=checks)
        _require_all(checks, file, [record["EvseID"] for record in records], report["taken"])


async def import_status(stage: Stage, cpo: Actor, emp: Actor, file: DataFile) -> None:
    """Import EVSE status, publish it, and pull all of it back."""
    stage.begin(f"{cpo.name} imports the status in {file.path.name}")
    async with stage.step("imported and published", Crossing(PUSH_EVSE_STATUS, cpo, emp)) as checks:
        report = await _import(cpo, file, checks)
    async with stage.step("pulled back", Crossing(PULL_EVSE_STATUS, emp, cpo)) as checks:
        pulled = await emp.send(PULL_EVSE_STATUS, {"ProviderID": emp.party.provider_id}, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        _require_all(checks, file, list(by_operator(pulled.answer)), report["taken"])


async def _import(cpo: Actor, file: DataFile, checks: Checks) -> Mapping[str, Any]:
    """The node's report, told and checked."""
    report: Mapping[str, Any] = await cpo.client.post("/api/evses/import", file.body, kind=file.kind)
    refused = report["refused"]
    mends = ", ".join(f"{kind} {count}" for kind, count in report["mends"].items())
    checks.note(f"{report['taken']} taken, {report['mended']} of them mended, {len(refused)} refused")
    if mends:
        checks.note(f"mended: {mends}")
    for record in file.mended[:SAMPLES]:
        checks.note(f"for example {record['evse_id']}: {record['mends'][0]}")
    for record in refused[:TOLD]:
        checks.note(f"refused: {record['evse_id'] or record['pointer']}: {' '.join(record['reasons'])}")
    if len(refused) > TOLD:
        checks.note(f"and {len(refused) - TOLD} more; --json tells all")
    checks.details["import"] = {"file": str(file.path), **report, "mended_records": file.mended}
    checks.equal("records taken", len(file.evse_keys), report["taken"])
    checks.that("something was taken", holds=report["taken"] > 0)
    return report


def _require_all(checks: Checks, file: DataFile, pulled: Sequence[str], taken: int) -> None:
    missing = file.evse_keys - set(map(evse_key, pulled))
    checks.equal("EVSEs of the file that were not pulled back", [], sorted(missing)[:5])
    checks.note(f"{len(file.evse_keys) - len(missing)} of {taken} taken came back")
