"""scripts/chaos: nothing is lost between two nodes that are killed and cut off, and what would be lost is found."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec
import pytest

from chaos_check import messages, plan
from chaos_check.entries import (
    Acknowledged,
    Begun,
    CpoEntry,
    EmpEntry,
    NotStarted,
    Push,
    Pushed,
    PushRefused,
    Received,
    RemotelyRefused,
    RemotelyStarted,
    Session,
)
from chaos_check.journal import Journal, Reader
from chaos_check.oracle import Evidence, Happened, judge
from chaos_check.plan import Kind, Options, faults
from chaos_check.proxy import Proxy
from chaos_check.states import NodeState, StoredCdr, StoredEvse, StoredSession
from p2pnode.lab.ports import LOOPBACK, ReservedPorts
from p2pnode.oicp.operations import CHARGE_DETAIL_RECORD, PUSH_EVSE_DATA, PUSH_EVSE_STATUS

SCRIPTS = Path(__file__).parent.parent / "scripts"
IDS = ("a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000002")
LOCAL, REMOTE = IDS
EVSE = messages.evse_id(0)
OPTIONS = Options(sessions=5, kills=0, seed=1, settle=0)
"""Four intents at the charging point, of which three are refused, and one from afar."""


def session(session_id: str, number: int | None) -> Session:
    start = {"EvseID": EVSE, "Identification": {"RemoteIdentification": {"EvcoID": messages.CONTRACT}}}
    return Session(1.0, session_id, number, messages.steps(session_id, start, Random(session_id), datetime.now(UTC)))  # noqa: S311 - no secret


@dataclass
class Story:
    """What both backends and both nodes would have after a run in which nothing was lost."""

    cpo: list[CpoEntry] = field(default_factory=list[CpoEntry])
    emp: list[EmpEntry] = field(default_factory=list[EmpEntry])
    happened: list[Happened] = field(default_factory=list[Happened])
    nodes: dict[str, NodeState] = field(default_factory=dict[str, NodeState])
    ended: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def __post_init__(self) -> None:
        both = session(LOCAL, 0), session(REMOTE, None)
        self.cpo += [Begun(1.0, number, f"p{number}", messages.UNKNOWN_CARD) for number in range(4)]
        self.cpo += [NotStarted(1.0, number, "102") for number in range(1, 4)]
        self.emp.append(RemotelyStarted(1.0, 0, REMOTE))
        for one in both:
            last = len(one.steps) - 1
            self.cpo.append(one)
            self.cpo += [Acknowledged(2.0, one.session_id, step, step == last) for step in range(last + 1)]
            self.emp += [Received(3.0, one.session_id, name, body) for name, body in one.steps]
        published = ((PUSH_EVSE_DATA.name, {EVSE: "7"}), (PUSH_EVSE_STATUS.name, {EVSE: "Occupied"}))
        for operation, state in published:
            self.cpo += [Push(1.0, operation, 1, "fullLoad", "", state), Pushed(2.0, operation, 1)]
        sessions = {one.session_id: StoredSession(one.session_id, "settled", None) for one in both}
        cdrs = {
            one.session_id: [StoredCdr(one.session_id, msgspec.Raw(one.steps[-1][1].encode()), "2026-01-01")]
            for one in both
        }
        for name in (plan.CPO_NODE, plan.EMP_NODE):
            self.nodes[name] = NodeState(sessions, cdrs, {EVSE: self.evse()})

    @staticmethod
    def evse(version: str = "7", status: str = "Occupied") -> StoredEvse:
        return StoredEvse(EVSE, status, {"EvseID": EVSE, messages.VERSION: version})

    def found(self) -> set[str]:
        pulled = {EVSE: self.evse()}
        evidence = Evidence(OPTIONS, self.cpo, self.emp, self.happened, self.nodes, pulled, self.ended)
        return {wrong.what for wrong in judge(evidence).divergences}

    def received(self, name: str) -> Received:
        return next(
            entry
            for entry in self.emp
            if isinstance(entry, Received) and entry.session_id == LOCAL and entry.operation.endswith(name)
        )

    def change_node(self, name: str, **parts: object) -> None:
        self.nodes[name] = replace(self.nodes[name], **parts)  # type: ignore[arg-type]  # the tests' own parts


def drop(name: str) -> Callable[[Story], None]:
    return lambda story: story.emp.remove(story.received(name))


def alter(story: Story) -> None:
    cdr = story.received("Record")
    cdr.body = cdr.body.replace("1000.000", "1000.0")


def exchange(story: Story) -> None:
    start, end = (story.emp.index(story.received(name)) for name in ("Start", "End"))
    story.emp[start], story.emp[end] = story.emp[end], story.emp[start]


def repeat(story: Story) -> None:
    story.emp.append(msgspec.structs.replace(story.received("Record"), at=9.0))


def add_session(state: str, partner: str | None) -> Callable[[Story], None]:
    def add(story: Story) -> None:
        sessions = story.nodes[plan.EMP_NODE].sessions
        story.change_node(plan.EMP_NODE, sessions={**sessions, "x": StoredSession("x", state, partner)})

    return add


def store_nothing(story: Story) -> None:
    story.change_node(plan.EMP_NODE, cdrs={})


def store_twice(story: Story) -> None:
    cdrs = story.nodes[plan.EMP_NODE].cdrs
    story.change_node(plan.EMP_NODE, cdrs={key: [*found, *found] for key, found in cdrs.items()})


def publish(evse: StoredEvse) -> Callable[[Story], None]:
    return lambda story: story.change_node(plan.EMP_NODE, evses={EVSE: evse})


def leave_a_push(story: Story) -> None:
    story.cpo.remove(story.cpo[-1])


def refuse_a_push(story: Story) -> None:
    story.cpo.append(PushRefused(1.0, PUSH_EVSE_DATA.name, 2, is_repeat=False, told="022"))


def refuse_a_remote_start(story: Story) -> None:
    story.emp.append(RemotelyRefused(9.0, 0, "603"))


def end(story: Story) -> None:
    story.ended.append((5.0, plan.EMP_NODE))


def leave_a_session(story: Story) -> None:
    story.cpo.append(session("c", None))


FOUND: Sequence[tuple[Callable[[Story], None], str]] = [
    (drop("Record"), "ChargeDetailRecord was acknowledged and has not arrived"),
    (drop("Start"), "ChargingNotificationStart was acknowledged and has not arrived"),
    (drop("End"), "ChargingNotificationEnd was acknowledged and has not arrived"),
    (alter, "what arrived is not what was sent"),
    (exchange, "messages of a session arrived out of order"),
    (repeat, "a CDR came again without a cause"),
    (store_nothing, "emp-node has 0 CDRs of a session"),
    (store_twice, "emp-node has 2 CDRs of a session"),
    (add_session("charging", "p0"), "a session is stuck at emp-node"),
    (add_session("authorized", "unheard of"), "a session is stuck at emp-node"),
    (publish(Story.evse(version="6")), "EVSE data at emp-node is not what was published"),
    (publish(Story.evse(status="Available")), "EVSE status at emp-node is not what was published"),
    (leave_a_push, "a push was never acknowledged"),
    (refuse_a_push, "a push was refused"),
    (refuse_a_remote_start, "a remote start was refused"),
    (end, "emp-node has ended by itself"),
    (leave_a_session, "a session did not come to an end"),
]


def test_a_run_in_which_nothing_was_lost_is_found_to_be_so() -> None:
    assert Story().found() == set()


@pytest.mark.parametrize(("sabotage", "what"), FOUND)
def test_whatever_is_lost_changed_reordered_or_done_twice_is_found(
    sabotage: Callable[[Story], None], what: str
) -> None:
    story = Story()
    sabotage(story)
    assert what in story.found()


def test_what_a_fault_explains_is_no_loss() -> None:
    story = Story()
    repeat(story)
    story.happened.append(Happened(5.0, 6.0, Kind.KILL, plan.EMP_BACKEND))
    story.happened.append(Happened(5.0, 6.0, Kind.FULL_DISK, plan.EMP_NODE))
    story.ended.append((5.5, plan.EMP_NODE))
    add_session("authorized", "p0")(story)
    assert story.found() == set()


def test_members_that_a_hub_sets_in_a_record_are_no_change_and_any_other_is() -> None:
    story = Story()
    cdr = story.received("Record")
    cdr.body = f'{cdr.body[:-1]}, "HubProviderID": "DE-HUB"}}'
    assert story.found() == set()
    cdr.body = f'{cdr.body[:-1]}, "PartnerProductID": "AC1"}}'
    assert story.found() == {
        "what arrived is not what was sent",
        f"{CHARGE_DETAIL_RECORD.name} was acknowledged and has not arrived",
    }


def test_a_plan_follows_from_its_seed_and_has_every_kind_of_fault() -> None:
    planned = faults(Options(2000, 30, 7, 0))
    assert planned == faults(Options(2000, 30, 7, 0)) != faults(Options(2000, 30, 8, 0))
    assert [fault.after for fault in planned] == sorted(fault.after for fault in planned)
    killed = [fault.at for fault in planned if fault.kind is Kind.KILL]
    assert len(killed) == 30
    assert {killed.count(name) for name in plan.PROCESSES} <= {7, 8}
    assert {fault.kind for fault in planned} == set(Kind)


async def test_a_journal_keeps_what_was_written_whole_and_goes_on_after_a_line_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    entries = [Begun(1.0, number, "p", "{}") for number in range(3)]
    async with Journal[CpoEntry](file, CpoEntry) as journal:
        await asyncio.gather(*(journal.add(entry) for entry in entries[:2]))
    with file.open("ab") as torn:
        torn.write(b'{"type":"begun","at"')
    async with Journal[CpoEntry](file, CpoEntry) as journal:
        assert journal.kept == entries[:2]
        await journal.add(entries[2])
    reader: Reader[CpoEntry] = Reader(file, CpoEntry)
    assert reader.more() == entries
    assert reader.more() == []


async def _talk(port: int, lines: Sequence[bytes]) -> list[bytes]:
    """What comes back to each line; nothing once the connection has ended."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    told: list[bytes] = []
    try:
        for line in lines:
            writer.write(line)
            told.append(await asyncio.wait_for(reader.readline(), 5))
    except ConnectionError:
        told.append(b"")
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return told


async def test_a_network_that_loses_answers_delivers_the_request_and_one_that_is_cut_does_not() -> None:
    heard: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.append(line)
            writer.write(line)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    target = server.sockets[0].getsockname()[1]
    with ReservedPorts(1) as reserved:
        (port,) = reserved.ports
        async with server, Proxy(port, target, Random(1)) as proxy:  # noqa: S311 - no secret
            assert await _talk(port, [b"hello\n", b"one\n"]) == [b"hello\n", b"one\n"]
            proxy.is_losing = True
            assert await _talk(port, [b"hello\n", b"two\n"]) == [b"hello\n", b""]
            proxy.is_losing = False
            proxy.cut(cut=True)
            assert await _talk(port, [b"hello\n"]) == [b""]
            proxy.cut(cut=False)
            assert await _talk(port, [b"hello\n", b"three\n"]) == [b"hello\n", b"three\n"]
            assert proxy.lost_answers == 1
    assert [line for line in heard if line != b"hello\n"] == [b"one\n", b"two\n", b"three\n"]


def test_the_bodies_of_a_session_keep_numbers_as_they_are_spelled() -> None:
    cdr = session(LOCAL, 0).steps[-1][1]
    assert '"MeterValueStart": 1000.000' in cdr
    assert json.loads(cdr)["SessionID"] == LOCAL


async def test_two_hundred_sessions_lose_nothing_through_six_kills_a_failing_network_and_full_disks(
    tmp_path: Path,
) -> None:
    command = ["-m", "chaos_check", "--sessions", "200", "--kills", "6", "--seed", "34", "--settle", "60", "--json"]
    path = os.pathsep.join((str(SCRIPTS), str(SCRIPTS.parent)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
    )
    output, talk = await process.communicate()
    assert process.returncode == 0, talk.decode()
    told = json.loads(output)
    assert told["divergences"] == []
    assert told["faults"]["kills"] == 6
    assert told["faults"]["answers lost"] > 0
    assert {name for name in told["faults"] if name.startswith("full disk")} == {
        "full disk cpo-node",
        "full disk emp-node",
    }
    counts = told["counts"]
    assert counts["CDRs arrived"] == counts["CDRs acknowledged"] == counts["CDRs stored at emp-node"] > 150
    assert await asyncio.to_thread(os.listdir, tmp_path) == []
