"""What a benchmark finds out: figures, each with its goal, and beside each what it is compared with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, Protocol


class Failure(Exception):
    """A benchmark could not measure what it is there to measure; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound a figure has to keep, on its median or on its ratio."""

    bound: float
    better: Literal["higher", "lower"]
    of: Literal["median", "ratio"] = "median"

    def __str__(self) -> str:
        return f"{'≥' if self.better == 'higher' else '≤'} {self.bound:,g}{' ratio' if self.of == 'ratio' else ''}"

    def met_by(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return value >= self.bound if self.better == "higher" else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a sample from each run and, where it is compared, the sample of the other side from the same run."""

    name: str
    unit: str
    samples: Sequence[float]
    against: str | None = None
    reference: Sequence[float] = ()
    goal: Goal | None = None

    @property
    def median(self) -> float:
        """The median of the runs."""
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        """The median of the runs' own ratios, so that what slows a whole run down does not count."""
        if self.against is None:
            return None
        return median(own / other for own, other in zip(self.samples, self.reference, strict=True))

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of == "ratio" else self.median
        return value is not None and self.goal.met_by(value)

    def as_dict(self) -> dict[str, float | int | str | None]:
        """The figure as `--json` prints it."""
        return {
            "median": round(self.median, 3),
            "unit": self.unit,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "against": self.against,
            "runs": len(self.samples),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: how many runs, and how many seconds a load lasts in each. `say` tells how far it is."""

    runs: int
    seconds: float
    say: Callable[[str], None]


class Measure(Protocol):
    """Measures, and returns figures. Raises Failure."""

    def __call__(self, plan: Plan) -> Iterable[Figure]:
        """The figures."""
        ...


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark, chosen by its name."""

    name: str
    title: str
    measure: Measure
