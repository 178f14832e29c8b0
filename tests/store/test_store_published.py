"""What peers publish as whole sets: statuses, pricing and identifications."""

from dataclasses import replace
from datetime import timedelta

from p2pnode.roaming.records import OWN
from p2pnode.store.publication import SqlPublication
from p2pnode.store.store import SqlStore
from tests.store.store_kit import START, OpenStore, identification, pricing, product, status

LATER = START + timedelta(minutes=1)


async def test_statuses_are_read_by_operator_and_evse(store: SqlStore) -> None:
    listed = [status("E3", operator="A"), status("E1", operator="B"), status("E2", operator="B")]
    await store.publish(lambda publication: publication.put_statuses(list(reversed(listed))))
    assert await store.statuses((OWN,)) == listed


async def test_statuses_are_narrowed_by_owner_evse_operator_and_value(store: SqlStore) -> None:
    own, busy, foreign = status("E1"), status("E2", "Occupied", operator="Q"), status("E1", owner="lader")
    await store.publish(lambda publication: publication.put_statuses([own, busy, foreign]))
    assert await store.statuses((OWN, "lader")) == [own, foreign, busy]
    assert await store.statuses(("lader",)) == [foreign]
    assert await store.statuses(()) == []
    assert await store.statuses((OWN,), evse_keys=("E2", "E9", "E2")) == [busy]
    assert await store.statuses((OWN,), evse_keys=()) == []
    assert await store.statuses((OWN,), operator_keys=("Q",)) == [busy]
    assert await store.statuses((OWN,), status="Available") == [own]


async def test_any_number_of_evses_can_be_asked_for_at_once(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_statuses([status("E1"), status("E39999")]))
    keys = tuple(f"E{i}" for i in reversed(range(40_000)))
    assert [one.evse_key for one in await store.statuses((OWN,), evse_keys=keys)] == ["E1", "E39999"]
    assert await store.publish(lambda publication: publication.known_statuses(OWN, iter(keys))) == {"E1", "E39999"}


async def test_a_status_that_is_the_same_keeps_the_moment_of_its_change(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_statuses([status("E1"), status("E2")]))
    again, changed = status("E1", changed_at=LATER), status("E2", "Occupied", changed_at=LATER)
    await store.publish(lambda publication: publication.put_statuses([again, changed]))
    assert await store.statuses((OWN,)) == [status("E1"), changed]


async def test_an_evse_has_one_status_even_after_it_has_moved_to_another_operator(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_statuses([status("E1", operator="A")]))
    moved = status("E1", operator="B", changed_at=LATER)
    await store.publish(lambda publication: publication.replace_statuses(OWN, "B", [moved]))
    assert await store.statuses((OWN,)) == [moved]


async def test_statuses_are_known_deleted_and_replaced(store: SqlStore) -> None:
    def fill(publication: SqlPublication) -> None:
        publication.put_statuses([status("E1"), status("E2"), status("E3"), status("Q1", operator="Q")])
        publication.put_statuses([status("E1", owner="lader")])

    await store.publish(fill)
    assert await store.publish(lambda publication: publication.known_statuses(OWN, ["E1", "E9"])) == {"E1"}
    assert await store.publish(lambda publication: publication.delete_statuses(OWN, ["E1", "E9"])) == 1
    assert await store.publish(lambda publication: publication.delete_statuses(OWN, [])) == 0
    await store.publish(lambda publication: publication.replace_statuses(OWN, "DE*ABC", [status("E3"), status("E4")]))
    assert [one.evse_key for one in await store.statuses((OWN,))] == ["E3", "E4", "Q1"]
    assert [one.evse_key for one in await store.statuses(("lader",))] == ["E1"]


async def test_products_are_put_listed_and_narrowed(store: SqlStore) -> None:
    a, b, c = product("A"), product("B", provider="DEXYZ"), product("A", operator="Q", changed_at=LATER)
    foreign = product("A", owner="lader")
    await store.publish(lambda publication: publication.put_products([c, b, a, foreign]))
    assert await store.products((OWN,), None) == [a, b, c]
    assert await store.products((OWN,), ("Q",)) == [c]
    assert await store.products((OWN,), ()) == []
    assert await store.products((OWN, "lader"), ("DE*ABC",)) == [a, foreign, b]
    assert await store.products((OWN,), None, changed_since=LATER) == [c]
    assert await store.products((OWN,), None, changed_since=LATER + timedelta(seconds=1)) == []


async def test_products_are_known_deleted_and_replaced_for_one_provider(store: SqlStore) -> None:
    def fill(publication: SqlPublication) -> None:
        publication.put_products([product("A"), product("B"), product("A", provider="DEXYZ")])

    await store.publish(fill)
    assert await store.publish(lambda publication: publication.known_products(OWN, "DE*ABC", "*")) == {"A", "B"}
    assert await store.publish(lambda publication: publication.delete_products(OWN, "DE*ABC", "*", ["A", "X"])) == 1
    new = [replace(product("B"), changed_at=LATER), product("C", changed_at=LATER)]
    await store.publish(lambda publication: publication.replace_products(OWN, "DE*ABC", "*", new))
    assert await store.products((OWN,), None) == [product("B"), new[1], product("A", provider="DEXYZ")]


async def test_evse_pricing_is_put_listed_and_narrowed(store: SqlStore) -> None:
    a, b, c = pricing("E1"), pricing("E1", "DEXYZ"), pricing("E2", operator="Q", changed_at=LATER)
    await store.publish(lambda publication: publication.put_evse_pricing([c, b, a]))
    assert await store.evse_pricing((OWN,), None) == [a, b, c]
    assert await store.evse_pricing((OWN,), ("Q",)) == [c]
    assert await store.evse_pricing((OWN,), None, changed_since=LATER) == [c]
    assert await store.evse_pricing(("lader",), None) == []


async def test_evse_pricing_is_known_deleted_and_replaced(store: SqlStore) -> None:
    await store.publish(
        lambda publication: publication.put_evse_pricing([pricing("E1"), pricing("E1", "DEXYZ"), pricing("E2")])
    )
    known = await store.publish(lambda publication: publication.known_evse_pricing(OWN, "DE*ABC"))
    assert known == {("E1", "*"), ("E1", "DEXYZ"), ("E2", "*")}
    gone = await store.publish(
        lambda publication: publication.delete_evse_pricing(OWN, "DE*ABC", [("E1", "*"), ("E9", "*")])
    )
    assert gone == 1
    new = [pricing("E2", body=b"{}"), pricing("E3")]
    await store.publish(lambda publication: publication.replace_evse_pricing(OWN, "DE*ABC", new))
    assert await store.evse_pricing((OWN,), None) == new


async def test_an_identification_tells_who_vouches_for_it(store: SqlStore) -> None:
    one, other = identification(), identification(owner="fahrer", provider="DEFAH", pin="$2b$10$hash")
    await store.publish(lambda publication: publication.put_authentication([one, other]))
    assert await store.authentication("uid", "1234ABCD") == [other, one]
    assert await store.authentication("evco", "1234ABCD") == []
    assert await store.authentication_of("fahrer") == [other]
    assert await store.authentication_of("nobody") == []


async def test_identifications_are_known_deleted_and_replaced_under_one_provider(store: SqlStore) -> None:
    def fill(publication: SqlPublication) -> None:
        publication.put_authentication(
            [identification("A"), identification("B"), identification("C", provider="DEQQQ")]
        )

    await store.publish(fill)
    known = await store.publish(lambda publication: publication.known_authentication("stromer", "DEXYZ"))
    assert known == {("uid", "A"), ("uid", "B")}
    gone = await store.publish(
        lambda publication: publication.delete_authentication("stromer", "DEXYZ", [("uid", "A"), ("evco", "B")])
    )
    assert gone == 1
    new = [identification("B", pin="$2b$10$new"), identification("D")]
    await store.publish(lambda publication: publication.replace_authentication("stromer", "DEXYZ", new))
    assert await store.authentication_of("stromer") == [identification("C", provider="DEQQQ"), *new]
    await store.publish(lambda publication: publication.replace_authentication("stromer", "DEXYZ", []))
    assert await store.authentication_of("stromer") == [identification("C", provider="DEQQQ")]


async def test_what_is_published_survives_a_restart(open_store: OpenStore) -> None:
    def fill(publication: SqlPublication) -> None:
        publication.put_statuses([status()])
        publication.put_products([product()])
        publication.put_evse_pricing([pricing()])
        publication.put_authentication([identification()])

    async with open_store() as store:
        await store.publish(fill)
    async with open_store() as store:
        assert await store.statuses((OWN,)) == [status()]
        assert await store.products((OWN,), None) == [product()]
        assert await store.evse_pricing((OWN,), None) == [pricing()]
        assert await store.authentication_of("stromer") == [identification()]
