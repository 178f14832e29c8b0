"""The benchmarks. A new one is a module in `measures` and a line here."""

from benchmarks.figures import Benchmark
from benchmarks.measures import (
    authorize_start,
    cdrs,
    changes,
    fan_out,
    full_load,
    memory,
    page,
    receipts,
    records,
    routing,
    slow_clients,
    startup,
    status_changes,
    two_hops,
)

BENCHMARKS: tuple[Benchmark, ...] = (
    authorize_start.BENCHMARK,
    two_hops.BENCHMARK,
    fan_out.BENCHMARK,
    receipts.BENCHMARK,
    records.BENCHMARK,
    startup.BENCHMARK,
    memory.BENCHMARK,
    page.BENCHMARK,
    full_load.BENCHMARK,
    routing.BENCHMARK,
    changes.BENCHMARK,
    status_changes.BENCHMARK,
    cdrs.BENCHMARK,
    slow_clients.BENCHMARK,
)
