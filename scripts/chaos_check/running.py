"""Playing a plan: faults when their share of the sessions is over, until all is told, healed and settled."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import aiohttp

from chaos_check import plan
from chaos_check.entries import CpoEntry, EmpEntry, RemotelyRefused, RemotelyStarted
from chaos_check.journal import Reader
from chaos_check.ledger import Ledger
from chaos_check.oracle import Divergence, Evidence, Happened, Verdict, judge
from chaos_check.plan import Fault, Kind, Options
from chaos_check.stage import Stage
from chaos_check.states import NodeState, StoredEvse, pulled, state_of
from p2pnode.web.problem import Problem

POLL = 0.05
LOOK_AGAIN = 0.5
STALLED = 5.0
"""After how many seconds without progress the next fault comes all the same."""
SLOWNESS = 0.1
"""How long a piece of a slow network takes at most, in seconds."""

Say = Callable[[str], None]


@dataclass
class Course:
    """How a run went: its journals as far as they are read, and what went wrong when."""

    stage: Stage
    options: Options
    say: Say
    cpo: list[CpoEntry] = field(default_factory=list[CpoEntry])
    emp: list[EmpEntry] = field(default_factory=list[EmpEntry])
    happened: list[Happened] = field(default_factory=list[Happened])
    ended: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    too_late: list[Divergence] = field(default_factory=list[Divergence])
    begun: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        self._ledger = Ledger()
        self._remote = 0
        self._cpo: Reader[CpoEntry] = Reader(self.stage.journal(plan.CPO_BACKEND), CpoEntry)
        self._emp: Reader[EmpEntry] = Reader(self.stage.journal(plan.EMP_BACKEND), EmpEntry)

    @property
    def age(self) -> float:
        """How long it has run, in seconds."""
        return time.monotonic() - self.begun

    def read(self) -> None:
        """Read what the journals have now."""
        for entry in self._cpo.more():
            self.cpo.append(entry)
            self._ledger.add(entry)
        for told in self._emp.more():
            self.emp.append(told)
            self._remote += isinstance(told, RemotelyStarted | RemotelyRefused)

    def share(self) -> float:
        """How much of the sessions is over, and 1 only when all are."""
        self.read()
        ledger = self._ledger
        over = len(ledger.over) + len(ledger.not_started)
        if self._remote < self.options.remote or len(ledger.started) + len(ledger.not_started) < self.options.local:
            return min(over / self.options.sessions, 0.99)
        return 1.0 if ledger.over >= ledger.sessions.keys() else 0.99

    def judged(
        self, nodes: Mapping[str, NodeState] | None = None, pulls: Mapping[str, StoredEvse] | None = None
    ) -> Verdict:
        """The judgement of what is known now."""
        evidence = Evidence(self.options, self.cpo, self.emp, self.happened, nodes or {}, pulls, self.ended)
        verdict = judge(evidence)
        verdict.divergences[:0] = self.too_late
        return verdict


async def play(course: Course) -> Verdict:
    """Let everything happen, heal, wait until all has settled; the last judgement."""
    try:
        async with asyncio.timeout(course.options.limit), asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(_watch(course))
            await _break(course, plan.faults(course.options))
            await _until(lambda: course.share() == 1)
            watch.cancel()
    except TimeoutError:
        course.too_late.append(Divergence(f"the sessions took more than {course.options.limit:.0f} s"))
    course.seconds["sessions"] = course.age
    course.say(f"all told after {course.seconds['sessions']:.1f} s, settling")
    await _heal(course)
    verdict = await _settled(course)
    course.seconds["settling"] = course.age - course.seconds["sessions"]
    return verdict


@dataclass
class _Due:
    """When a fault is due: after its share of the sessions, or when there is no progress any more."""

    course: Course
    fault: Fault
    share: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def is_now(self) -> bool:
        """Whether it is now."""
        share = self.course.share()
        if share > self.share:
            self.share, self.since = share, time.monotonic()
        return share >= self.fault.after or time.monotonic() - self.since > STALLED


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - other processes make it so
        await asyncio.sleep(POLL)


async def _break(course: Course, faults: Sequence[Fault]) -> None:
    """Let each fault happen at its time; those at different places may overlap."""
    async with asyncio.TaskGroup() as tasks:
        for fault in faults:
            await _until(_Due(course, fault).is_now)
            course.say(f"{course.share():4.0%} {course.age:6.1f} s  {fault.kind} {fault.at}, {fault.seconds:.1f} s")
            tasks.create_task(_happen(course, fault))


async def _happen(course: Course, fault: Fault) -> None:
    stage = course.stage
    if fault.at == plan.NETWORK:
        async with AsyncExitStack() as stack:
            if fault.kind is Kind.LOSE_ANSWERS:
                await _let_serve(stage, stack)
            at = time.time()
            await _disturb(stage, fault)
    else:
        async with stage.locks[fault.at]:
            at = time.time()
            if fault.kind is Kind.KILL:
                await stage.process(fault.at).kill()
                await asyncio.sleep(fault.seconds)
                await stage.process(fault.at).start()
            else:
                await _fill(stage, fault)
    course.happened.append(Happened(at, time.time(), fault.kind, fault.at))


async def _let_serve(stage: Stage, stack: AsyncExitStack) -> None:
    """Wait until both nodes serve and let nothing happen to them: only who answers can lose an answer."""
    for name, node in stage.nodes.items():
        await stack.enter_async_context(stage.locks[name])
        with suppress(Problem):
            await node.ready()


async def _disturb(stage: Stage, fault: Fault) -> None:
    for proxy in stage.proxies:
        match fault.kind:
            case Kind.CUT:
                proxy.cut(cut=True)
            case Kind.LOSE_ANSWERS:
                proxy.is_losing = True
            case _:
                proxy.delay = SLOWNESS
    await asyncio.sleep(fault.seconds)
    for proxy in stage.proxies:
        match fault.kind:
            case Kind.CUT:
                proxy.cut(cut=False)
            case Kind.LOSE_ANSWERS:
                proxy.is_losing = False
            case _:
                proxy.delay = 0.0


async def _fill(stage: Stage, fault: Fault) -> None:
    try:
        stage.fill_disk(fault.at, full=True)
        await asyncio.sleep(fault.seconds)
        stage.fill_disk(fault.at, full=False)
    except ProcessLookupError:
        return  # it has ended by itself, which the watch tells


async def _watch(course: Course) -> None:
    """Start again, and note, what ends although nobody has ended it."""
    stage = course.stage
    while True:
        for name in plan.PROCESSES:
            if stage.locks[name].locked() or not stage.process(name).has_ended:
                continue
            async with stage.locks[name]:
                course.say(f"{name} has ended by itself")
                course.ended.append((time.time(), name))
                await stage.process(name).start()
        await asyncio.sleep(POLL)


async def _heal(course: Course) -> None:
    stage = course.stage
    for proxy in stage.proxies:
        proxy.cut(cut=False)
        proxy.is_losing, proxy.delay = False, 0.0
    for name in plan.PROCESSES:
        if stage.process(name).has_ended:
            await stage.process(name).start()
    for name in stage.nodes:
        stage.fill_disk(name, full=False)
    stage.finish.touch()


async def _settled(course: Course) -> Verdict:
    """The judgement once nothing is wrong, or after the time for settling."""
    end = time.monotonic() + course.options.settle
    while True:
        is_late = time.monotonic() > end
        verdict = await _judged(course, is_late=is_late)
        if not verdict.divergences or is_late:
            return verdict
        await asyncio.sleep(LOOK_AGAIN)


async def _judged(course: Course, *, is_late: bool) -> Verdict:
    """The judgement of now: of the backends, then of the nodes, then with a pull, each where nothing is wrong so far.

    A pull comes last because it brings the EMP's node what a push has not.
    """
    course.read()
    verdict = course.judged()
    try:
        if not verdict.divergences or is_late:
            nodes = await _states(course.stage)
            verdict = course.judged(nodes)
            if not verdict.divergences:
                verdict = course.judged(nodes, await pulled(course.stage.hubs[plan.EMP_BACKEND]))
    except (Problem, aiohttp.ClientError, TimeoutError) as error:
        verdict.wrong("a node does not serve", detail=str(error))
    return verdict


async def _states(stage: Stage) -> dict[str, NodeState]:
    cpo, emp = await asyncio.gather(
        state_of(stage.nodes[plan.CPO_NODE], ""), state_of(stage.nodes[plan.EMP_NODE], plan.CPO_NODE)
    )
    return {plan.CPO_NODE: cpo, plan.EMP_NODE: emp}
