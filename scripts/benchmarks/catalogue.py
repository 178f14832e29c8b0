"""The benchmarks. A new one is a module in `measures` and a line here."""

from benchmarks.figures import Benchmark
from benchmarks.measures import authorize_start, full_load, memory, page, records, routing, startup

BENCHMARKS: tuple[Benchmark, ...] = (
    authorize_start.BENCHMARK,
    records.BENCHMARK,
    startup.BENCHMARK,
    memory.BENCHMARK,
    page.BENCHMARK,
    full_load.BENCHMARK,
    routing.BENCHMARK,
)
