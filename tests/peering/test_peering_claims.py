"""Which member of each message is its caller's own id."""

from p2pnode.oicp.codec import read
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.operations import OPERATIONS
from p2pnode.peering.claims import CLAIMS
from tests.peering.peering_kit import own_id
from tests.samples import sample

WITHOUT = {"PushEvsePricing", "ChargeDetailRecord", "PullPricingProductData"}
"""Their samples name the caller in the path only."""


def test_every_operation_has_its_claim() -> None:
    found = {
        operation.name: CLAIMS[operation](
            split(operation, sample(operation)).message
            if operation.records
            else read(operation.request, sample(operation))
        )
        for operation in OPERATIONS
    }
    assert found == {
        operation.name: None if operation.name in WITHOUT else own_id(operation) for operation in OPERATIONS
    }
