"""Comparing CDRs with a peer."""

from datetime import timedelta
from decimal import Decimal

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.operations import CHARGE_DETAIL_RECORD, CHARGING_NOTIFICATION_END, GET_CHARGE_DETAIL_RECORDS
from p2pnode.roaming.reconcile import Reconciliation
from tests.roaming.roaming_messages import EVSE, NOON, decoded, make, rfid
from tests.roaming.roaming_world import Call, Party, refused
from tests.roaming.test_roaming_cdrs import HOUR, authorized, cdr, ids, settled

END = NOON + timedelta(days=50)
WAITS = "waits in the outbox, not tried yet"


async def compared(party: Party, peer: str) -> Reconciliation:
    return await party.roaming.reconcile(peer, NOON, END)


async def test_two_sides_that_hold_the_same_agree(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await settled(pair, 5)
    found = await compared(emp, "cpo")
    assert (found.agrees, found.asked, found.equal) == (True, True, 5)
    theirs = await compared(cpo, "emp")
    assert (theirs.agrees, theirs.asked, theirs.acknowledged) == (True, False, 5)


async def test_every_kind_of_disagreement_is_listed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await settled(pair, 4)
    same, dearer, gone, unheard = ids(4)
    answer = cpo.answer

    async def otherwise(call: Call, process_id: str) -> tuple[int, bytes]:
        """The CPO holds one CDR differently, has lost one, and lists one of a session nobody knows."""
        http, body = await answer(call, process_id)
        if call.operation is not GET_CHARGE_DETAIL_RECORDS:
            return http, body
        page = decoded(body)
        records = [record for record in page["content"] if record["SessionID"] != gone]
        for record in records:
            if record["SessionID"] == dearer:
                record |= {"ConsumedEnergy": Decimal("11.6"), "PartnerProductID": "AC2"}
            if record["SessionID"] == unheard:
                record["SessionID"] = "ffffffff-0000-4000-8000-000000000000"
        page |= {"content": records, "totalElements": len(records), "totalPages": 1}
        return http, encode(page)

    cpo.answering = otherwise
    await authorized(cpo, "00000000-0000-4000-8000-000000000009")
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr("00000000-0000-4000-8000-000000000009"))
    cpo.wire.down = set()
    found = await compared(emp, "cpo")
    assert not found.agrees
    assert found.equal == 1
    assert same not in str(found)
    assert [entry.session_id for entry in found.missing_here] == ["00000000-0000-4000-8000-000000000009"]
    assert [entry.session_id for entry in found.missing_there] == [gone, unheard]
    assert [entry.session_id for entry in found.unknown] == ["ffffffff-0000-4000-8000-000000000000"]
    told = {(each.session_id, each.member, each.ours, each.theirs) for each in found.different}
    assert told == {(dearer, "ConsumedEnergy", "11.5", "11.6"), (dearer, "PartnerProductID", "", "")}


async def test_a_cdr_that_the_peer_received_outside_of_the_interval_is_not_missing(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.clock.advance(seconds=-1)
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    cpo.wire.down = set()
    cpo.clock.advance(seconds=1)
    await cpo.deliver_pending()
    await emp.roaming.settle()
    found = await compared(emp, "cpo")
    assert (found.agrees, found.equal) == (True, 1)


async def test_a_cpo_lists_what_the_emp_has_not_acknowledged_and_what_it_has_no_cdr_for(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pnode.roaming.reconcile.LARGEST_PAGE_SIZE", 2)
    cpo, emp = pair
    ended, sent = ids(6)[:3], ids(6)[3:]
    for session_id in ended:
        await authorized(cpo, session_id)
        end = make(
            CHARGING_NOTIFICATION_END.request,
            type="End",
            session_id=session_id,
            evse_id=EVSE,
            identification=rfid(),
            charging_start=NOON,
            charging_end=NOON + HOUR,
            operator_id="DE*CPO",
        )
        assert (await cpo.send(CHARGING_NOTIFICATION_END, end)).result
    for session_id in sent:
        await authorized(cpo, session_id)
    cpo.wire.down = {"emp"}
    for session_id in sent:
        await cpo.send(CHARGE_DETAIL_RECORD, cdr(session_id))
    await refused(cpo.send(CHARGE_DETAIL_RECORD, cdr(sent[0], consumed_energy=Decimal(9))))
    found = await compared(cpo, "emp")
    waiting = [(entry.session_id, entry.reason) for entry in found.not_acknowledged]
    assert waiting == [(sent[0], "emp: connection refused"), *((sent[n], WAITS) for n in (1, 2))]
    assert [entry.session_id for entry in found.without_cdr] == ended
    assert [(entry.session_id, entry.energy) for entry in found.to_review] == [(sent[0], "9")]
    assert emp.own.providers == ("DE-ONE",)


async def test_a_comparison_goes_through_all_pages_and_ends_where_they_bring_nothing_new(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pnode.roaming.cdr_pages.LARGEST_PAGE_SIZE", 2)
    cpo, emp = pair
    await settled(pair, 5)
    assert (await compared(emp, "cpo")).equal == 5
    assert len(cpo.wire.to("cpo", GET_CHARGE_DETAIL_RECORDS)) == 3
    answer = cpo.answer
    bare = b'{"content":[' + b",".join([encode(cdr(ids(1)[0]))] * 2) + b"]}"

    async def endless(call: Call, process_id: str) -> tuple[int, bytes]:
        return (200, bare) if call.operation is GET_CHARGE_DETAIL_RECORDS else await answer(call, process_id)

    cpo.answering = endless
    assert (await compared(emp, "cpo")).equal == 1
    cpo.answering = answer
    monkeypatch.setattr("p2pnode.roaming.cdr_pages.MOST_PAGES", 2)
    assert "more than 2 pages" in str(await refused(compared(emp, "cpo")))


async def test_a_peer_that_does_not_answer_cannot_be_compared_with(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.wire.down = {"cpo"}
    assert "320" in str(await refused(compared(emp, "cpo")))
    with pytest.raises(LookupError):
        await compared(emp, "nobody")
