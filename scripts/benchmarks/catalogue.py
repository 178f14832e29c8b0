"""The benchmarks. A new one is a module in `measures` and a line here."""

from benchmarks.figures import Benchmark
from benchmarks.measures import authorize_start, memory, startup

BENCHMARKS: tuple[Benchmark, ...] = (authorize_start.BENCHMARK, startup.BENCHMARK, memory.BENCHMARK)
