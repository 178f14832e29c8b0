"""A virtual car draws what its charge point gives until it is nearly full."""

from datetime import timedelta
from decimal import Decimal

from p2pnode.backends.vehicle import Vehicle


def test_a_car_that_is_not_nearly_full_draws_full_power() -> None:
    car = Vehicle(capacity=Decimal(100), energy=Decimal(10))
    assert car.charge(timedelta(hours=1), Decimal(22)) == Decimal("21.960")
    assert car.power(Decimal(22)) == Decimal(22)


def test_the_power_falls_above_four_fifths() -> None:
    car = Vehicle(capacity=Decimal(100), energy=Decimal(90))
    assert Decimal(10) < car.power(Decimal(22)) < Decimal(22)


def test_a_car_takes_no_more_than_its_battery_holds() -> None:
    car = Vehicle(capacity=Decimal(50), energy=Decimal(49))
    assert car.charge(timedelta(hours=10), Decimal(22)) == Decimal(1)
    assert car.is_full
    assert car.charge(timedelta(hours=1), Decimal(22)) == 0


def test_energy_is_exact_however_the_time_is_cut() -> None:
    whole, cut = Vehicle(), Vehicle()
    drawn = whole.charge(timedelta(minutes=30), Decimal("3.7"))
    assert sum(cut.charge(timedelta(minutes=5), Decimal("3.7")) for _ in range(6)) == drawn
    assert drawn.as_tuple().exponent == -3
