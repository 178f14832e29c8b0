"""A virtual car: a battery that takes full power until it is nearly full, and less and less from then on."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

WATT_HOUR = Decimal("0.001")
TAPER_BEGINS = Decimal("0.8")
LEAST_SHARE = Decimal("0.1")
STEP = timedelta(seconds=10)
SECONDS_PER_HOUR = 3600


@dataclass(slots=True)
class Vehicle:
    """A car at the plug. `capacity` and `energy` (what is in the battery) are in kWh."""

    capacity: Decimal = Decimal(60)
    energy: Decimal = Decimal(12)

    @property
    def is_full(self) -> bool:
        """Whether nothing more goes in."""
        return self.energy >= self.capacity

    def power(self, limit: Decimal) -> Decimal:
        """The power in kW it draws now from a charge point that gives up to `limit`.

        Above 80 % state of charge the power falls in a straight line, to a tenth of the limit when full.
        """
        if self.is_full:
            return Decimal(0)
        charge = self.energy / self.capacity
        if charge <= TAPER_BEGINS:
            return limit
        share = 1 - (charge - TAPER_BEGINS) / (1 - TAPER_BEGINS) * (1 - LEAST_SHARE)
        return limit * share

    def charge(self, duration: timedelta, limit: Decimal) -> Decimal:
        """Draw energy for this long; returns what went in, in kWh to the watt-hour."""
        before = self.energy
        left = duration
        while left > timedelta(0) and not self.is_full:
            step = min(STEP, left)
            hours = Decimal(round(step.total_seconds())) / SECONDS_PER_HOUR
            drawn = (self.power(limit) * hours).quantize(WATT_HOUR)
            self.energy = min(self.capacity, self.energy + max(drawn, WATT_HOUR))
            left -= step
        return self.energy - before
