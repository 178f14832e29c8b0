"""PushAuthenticationData and the obsolete PullAuthenticationData."""

import json
from typing import Any

import pytest

from p2pnode.oicp.authentication import PullAuthenticationData
from p2pnode.oicp.codec import encode
from p2pnode.oicp.operations import PULL_AUTHENTICATION_DATA, PUSH_AUTHENTICATION_DATA
from p2pnode.oicp.status import Code
from p2pnode.roaming.pins import pin_matches
from p2pnode.roaming.published_records import AuthenticationRecord
from p2pnode.roaming.records import OWN
from tests.roaming.roaming_messages import EVCO, OTHER_UID, UID, decoded
from tests.roaming.roaming_world import Call, Party, World, refused

CARD = {"RFIDMifareFamilyIdentification": {"UID": UID}}
OTHER_CARD = {"RFIDIdentification": {"UID": OTHER_UID, "RFID": "mifareDes", "EvcoID": EVCO, "PrintedNumber": "47"}}
CODE = {"QRCodeIdentification": {"EvcoID": EVCO, "PIN": "4711-0815"}}
CAR = {"PlugAndChargeIdentification": {"EvcoID": EVCO}}


def push(action: str, *media: dict[str, Any], provider_id: str = "DE-ONE") -> bytes:
    records = [{"Identification": medium} for medium in media]
    data = {"ProviderID": provider_id, "AuthenticationDataRecord": records}
    return json.dumps({"ActionType": action, "ProviderAuthenticationData": data}).encode()


async def received(cpo: Party, body: bytes, source: str = "emp") -> dict[str, Any]:
    return decoded((await cpo.answer(Call(source, "cpo", PUSH_AUTHENTICATION_DATA, body, "DE-ONE", None), "p"))[1])


async def vouched(party: Party, owner: str) -> list[AuthenticationRecord]:
    return list(await party.store.authentication_of(owner))


async def kinds(party: Party, owner: str) -> list[str]:
    return sorted(record.kind for record in await vouched(party, owner))


async def test_a_pin_is_hashed_before_it_is_kept_or_sent_on(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    assert (await emp.send(PUSH_AUTHENTICATION_DATA, push("fullLoad", CARD, CODE))).result
    (call,) = cpo.wire.calls
    assert b"4711" not in call.body
    sent = json.loads(call.body)["ProviderAuthenticationData"]["AuthenticationDataRecord"]
    assert sent[0] == {"Identification": CARD}
    assert sent[1]["Identification"]["QRCodeIdentification"]["HashedPIN"]["Function"] == "Bcrypt"
    for party, owner in ((emp, OWN), (cpo, "emp")):
        code = next(record for record in await vouched(party, owner) if record.kind == "QRCode")
        assert (b"4711" in code.body, b"PIN" in code.body, code.pin_function) == (False, False, "Bcrypt")
        assert code.pin_hash is not None
        assert await pin_matches("4711-0815", code.pin_hash)


async def test_a_pin_in_clear_of_a_foreign_emp_is_hashed_on_arrival(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    assert (await received(cpo, push("insert", CODE)))["Result"] is True
    (code,) = await vouched(cpo, "emp")
    assert b"4711" not in code.body
    assert code.pin_hash is not None
    assert await pin_matches("4711-0815", code.pin_hash)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (push("insert", CAR), ["PlugAndCharge", "QRCode", "RFID"]),
        (push("update", CARD), ["QRCode", "RFID"]),
        (push("delete", {"QRCodeIdentification": {"EvcoID": EVCO.lower()}}), ["RFID"]),
        (push("fullLoad", CAR), ["PlugAndCharge"]),
        (push("fullLoad"), []),
    ],
    ids=["insert", "update", "delete", "full load", "empty full load"],
)
async def test_an_action_does_what_it_says(pair: tuple[Party, Party], body: bytes, left: list[str]) -> None:
    cpo, _ = pair
    await received(cpo, push("fullLoad", CARD, CODE))
    assert (await received(cpo, body))["Result"] is True
    assert await kinds(cpo, "emp") == left


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (push("insert", CAR, CARD), "022"),
        (push("update", CAR), "022"),
        (push("delete", CAR), "022"),
        (push("fullLoad", CAR, {"PlugAndChargeIdentification": {"EvcoID": EVCO.lower()}}), "022"),
        (push("fullLoad", {}), "022"),
        (push("fullLoad", {"QRCodeIdentification": {"EvcoID": EVCO}}), "022"),
        (push("fullLoad", {"RFIDMifareFamilyIdentification": {"UID": "xyz"}}), "022"),
        (
            push("fullLoad", {"QRCodeIdentification": {"EvcoID": EVCO, "HashedPIN": "$2b$31$" + "a" * 53}}),
            "022",
        ),
        (push("fullLoad", {"PlugAndChargeIdentification": {"EvcoID": "DE-TWO-C12345678-X"}}), "019"),
        (push("fullLoad", CARD, provider_id="DE-TWO"), "017"),
    ],
    ids=[
        "exists",
        "does not exist",
        "not there to delete",
        "twice",
        "no medium",
        "no PIN",
        "no UID",
        "a hash that takes for ever",
        "foreign contract",
        "foreign provider",
    ],
)
async def test_a_push_that_cannot_be_taken_changes_nothing(pair: tuple[Party, Party], body: bytes, code: str) -> None:
    cpo, _ = pair
    await received(cpo, push("fullLoad", CARD, CODE))
    answer = await received(cpo, body)
    assert answer["StatusCode"]["Code"] == code
    assert EVCO not in json.dumps(answer)
    assert UID not in json.dumps(answer)
    assert await kinds(cpo, "emp") == ["QRCode", "RFID"]


async def test_contracts_of_sub_providers_are_taken_where_the_entry_lists_them(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    foreign = push("fullLoad", {"PlugAndChargeIdentification": {"EvcoID": "DE*SUB*123456*X"}})
    assert (await received(cpo, foreign))["StatusCode"]["Code"] == "019"
    cpo.knows(emp, sub_providers=("DE-SUB",))
    assert (await received(cpo, foreign))["Result"] is True


async def test_after_an_outage_a_cpo_has_the_drivers_of_now(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.wire.down = {"cpo"}
    await emp.send(PUSH_AUTHENTICATION_DATA, push("fullLoad", CARD, CODE))
    await emp.send(PUSH_AUTHENTICATION_DATA, push("delete", CARD))
    cpo.wire.down = set()
    await emp.deliver_pending()
    (code,) = await vouched(cpo, "emp")
    assert code.pin_hash is not None
    assert await pin_matches("4711-0815", code.pin_hash)


async def test_pulling_is_for_peers_whose_entry_says_so(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.knows(cpo, send=("AuthorizeRemoteStart",))
    await emp.send(PUSH_AUTHENTICATION_DATA, push("fullLoad", CARD, OTHER_CARD, CODE))
    message = PullAuthenticationData(operator_id="DE*CPO")
    assert (await refused(cpo.send(PULL_AUTHENTICATION_DATA, message))).code is Code.NO_VALID_CONTRACT
    cpo.knows(emp, pull_authentication_data=True)
    assert (await refused(cpo.send(PULL_AUTHENTICATION_DATA, message))).code is Code.NO_VALID_CONTRACT
    emp.knows(cpo, pull_authentication_data=True, send=("AuthorizeRemoteStart",))
    raw = await cpo.send_raw(PULL_AUTHENTICATION_DATA, message)
    assert b"4711" not in raw
    (block,) = json.loads(raw)["AuthenticationData"]["ProviderAuthenticationData"]
    assert block["ProviderID"] == "DE-ONE"
    assert {"Identification": OTHER_CARD} in block["AuthenticationDataRecord"]
    assert await kinds(cpo, "emp") == ["QRCode", "RFID", "RFID"]
    code = next(record for record in await vouched(cpo, "emp") if record.kind == "QRCode")
    assert code.pin_hash is not None
    assert await pin_matches("4711-0815", code.pin_hash)


async def test_what_a_peer_hands_out_of_other_providers_is_not_believed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair

    block = {"ProviderID": "DE-TWO", "AuthenticationDataRecord": [{"Identification": CARD}]}
    emp.foreign = json.dumps({"AuthenticationData": {"ProviderAuthenticationData": [block]}}).encode()
    cpo.knows(emp, pull_authentication_data=True)
    answer = await cpo.send(PULL_AUTHENTICATION_DATA, PullAuthenticationData(operator_id="DE*CPO"))
    assert answer.authentication_data.provider_authentication_data == []
    assert await vouched(cpo, "emp") == []


async def test_contracts_of_others_that_a_peer_hands_out_are_left_out(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    foreign = {"QRCodeIdentification": {"EvcoID": "DE-TWO-C12345678-X", "PIN": "1234"}}
    records = [{"Identification": medium} for medium in (CARD, foreign, CAR)]
    block = {"ProviderID": "DE-ONE", "AuthenticationDataRecord": records}
    emp.foreign = json.dumps({"AuthenticationData": {"ProviderAuthenticationData": [block]}}).encode()
    cpo.knows(emp, pull_authentication_data=True)
    await cpo.send(PULL_AUTHENTICATION_DATA, PullAuthenticationData(operator_id="DE*CPO"))
    assert await kinds(cpo, "emp") == ["PlugAndCharge", "RFID"]


async def test_an_empty_answer_of_a_provider_wipes_what_it_vouched_for(world: World) -> None:
    cpo, emp = await world.pair()
    cpo.knows(emp, pull_authentication_data=True)
    await received(cpo, push("fullLoad", CARD))
    nobody: dict[str, object] = {"ProviderID": "DE-ONE", "AuthenticationDataRecord": []}
    answer = {"AuthenticationData": {"ProviderAuthenticationData": nobody}}

    emp.foreign = encode(answer)
    await cpo.send(PULL_AUTHENTICATION_DATA, PullAuthenticationData(operator_id="DE*CPO"))
    assert await vouched(cpo, "emp") == []
