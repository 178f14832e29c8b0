"""`p2pnode evse`: the charging points of the own operator."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import got, posted
from p2pnode.cli.files import content_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, say, show_json, show_table
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import EvseStatusRecord, EvseStatusType, OperatorEvseStatus, PushEvseStatus
from p2pnode.oicp.identifiers import operator_key, operator_of_evse
from p2pnode.oicp.operations import PUSH_EVSE_STATUS
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.oicp.status_mapping import from_ocpi, from_ocpp
from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem

REFUSED = 3


@click.group()
def evse() -> None:
    """Charging points: import them from a file, show or publish the status of one."""


@evse.command(
    "import",
    epilog=example("p2pnode evse import evses.json --dir my-node", "p2pnode evse import status.json --status"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--status", is_flag=True, help="The file holds EVSE status, not EVSE data.")
@directory_option
@json_option
def import_(file: Path, *, status: bool, directory: Path, as_json: bool) -> int:
    """Let the running node import FILE and publish what is in it.

    Read are a push, the answer to a pull or its pages in a list, and the form of national open data. Records of
    other operators are published under the node's first OperatorID, and the command tells how many. Records that
    are not quite right are mended, those that cannot be are refused, each with its reason. The exit code is 1 where
    none is taken, 3 where a peer said no to what was published.
    """
    body = content_of(file, "name a JSON file")
    report = posted(directory, "/api/evses/import", body, kind="status" if status else "data")
    refused = report["refused"]
    exit_code = 1 if not report["taken"] else REFUSED if report["refused_by_peers"] else 0
    if as_json:
        show_json(report)
        return exit_code
    taken = counted(report["taken"], "record")
    say(f"{taken} taken, {report['mended']} of them mended, {len(refused)} refused")
    for kind, count in report["mends"].items():
        say(f"  mended: {kind}, {counted(count, 'time')}")
    for operator_id, count in report["relisted"].items():
        say(f"  not this node's: {count} of {operator_id}, now published under this node's own first OperatorID")
    for problem in report["not_delivered"]:
        say(f"  not taken by every peer: {problem}")
    if report["relisted"]:
        say("hint: peers take EVSEs of others if their entry of this node lists `sub_operators` or `evse_prefixes`")
    if refused:
        show_table(
            ("refused", "place", "reason"),
            [(record["evse_id"], record["pointer"], " ".join(record["reasons"])) for record in refused],
        )
    if exit_code == 1:
        say(f"hint: a file of EVSE {'data is imported without' if status else 'status is imported with'} --status")
    return exit_code


@evse.command(
    "status",
    epilog=example(
        "p2pnode evse status DE*ABC*E1001*1 --dir my-node", "p2pnode evse status DE*ABC*E1001*1 --ocpp Charging"
    ),
)
@click.argument("evse_id", metavar="EVSE")
@click.option("--ocpp", help="Publish what an OCPP connector status means, such as Charging or Faulted.")
@click.option("--ocpi", help="Publish what an OCPI EVSE status means, such as BLOCKED or INOPERATIVE.")
@click.option("--oicp", type=click.Choice([status.value for status in EvseStatusType]), help="Publish this status.")
@directory_option
@json_option
def status(  # noqa: PLR0913 - one parameter for each option
    evse_id: str, *, ocpp: str | None, ocpi: str | None, oicp: str | None, directory: Path, as_json: bool
) -> None:
    """Show the status of EVSE that the running node has published, or publish another.

    OCPP's and OCPI's words are translated: Charging is Occupied, Faulted is OutOfService.
    """
    if sum(word is not None for word in (ocpp, ocpi, oicp)) > 1:
        raise click.UsageError("give one of --ocpp, --ocpi and --oicp")
    try:
        wanted = from_ocpp(ocpp) if ocpp else from_ocpi(ocpi) if ocpi else EvseStatusType(oicp) if oicp else None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    told = _shown(directory, evse_id) if wanted is None else asyncio.run(_published(directory, evse_id, wanted))
    if as_json:
        show_json(told)
    else:
        show_table(("EvseID", "status"), [(told["evse_id"], told["status"] or "none published")])


def _shown(directory: Path, evse_id: str) -> Mapping[str, Any]:
    found = got(directory, "/api/evses", evse_id=evse_id)["evses"]
    if not found:
        raise Problem(f"{evse_id} has no EVSE data from this node", "`p2pnode evse import` publishes a file")
    return {"evse_id": found[0]["evse_id"], "status": found[0]["status"]}


async def _published(directory: Path, evse_id: str, wanted: EvseStatusType) -> Mapping[str, Any]:
    """Publish the status: an update, or where the EVSE has none yet an insert."""
    async with AdminClient.of(directory) as client:
        own: list[str] = (await client.get("/api/status"))["operators"]
        if not own:
            raise Problem("this node plays no CPO, so it publishes no status", "give it an OperatorID in p2pnode.toml")
        inside = operator_of_evse(evse_id)
        operator_id = next((text for text in own if operator_key(text) == inside), own[0])
        name = PUSH_EVSE_STATUS.name
        called = await client.call(name, _push(operator_id, evse_id, wanted, ActionType.UPDATE))
        if called.code == Code.DATA_ERROR:
            called = await client.call(name, _push(operator_id, evse_id, wanted, ActionType.INSERT))
    if called.code != Code.SUCCESS:
        why = called.answer.get("StatusCode", {}).get("AdditionalInfo") or "the node refused it"
        raise Problem(f"not published, code {called.code}: {why}", f"`p2pnode id {evse_id}` explains the identifier")
    return {"evse_id": evse_id, "status": wanted.value}


def _push(operator_id: str, evse_id: str, wanted: EvseStatusType, action: ActionType) -> bytes:
    records = [EvseStatusRecord(evse_id=evse_id, evse_status=wanted)]
    status = OperatorEvseStatus(operator_id=operator_id, operator_name=operator_id, evse_status_record=records)
    return encode(PushEvseStatus(action_type=action, operator_evse_status=status))
