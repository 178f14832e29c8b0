"""The operation table: one row for each of the 24 operations of OICP 2.3, asked by everything else.

Server routes, client, identity check, paging, retries, command line, metrics, manual and tests read these rows. A
path of the wire stands here and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authentication import AuthenticationData, PullAuthenticationData, PushAuthenticationData
from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStop,
    AuthorizeRemoteStart,
    AuthorizeRemoteStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.cdr import ChargeDetailRecord, ChargeDetailRecords, GetChargeDetailRecords
from p2pnode.oicp.evse_data import EvseData, PullEvseData, PushEvseData
from p2pnode.oicp.evse_status import (
    EvseStatus,
    EvseStatusById,
    EvseStatusByOperatorId,
    PullEvseStatus,
    PullEvseStatusById,
    PullEvseStatusByOperatorId,
    PushEvseStatus,
)
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.notifications import (
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
)
from p2pnode.oicp.pricing import (
    EvsePricing,
    PricingProductData,
    PullEvsePricing,
    PullPricingProductData,
    PushEvsePricing,
    PushPricingProductData,
)
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.selection import Marks

Request = TypeVar("Request", bound=OicpModel)
Answer = TypeVar("Answer", bound=OicpModel)

BASE_PATH = "/api/oicp"
MEBIBYTE = 1024 * 1024


class Role(StrEnum):
    """The two roles of a partner: charge point operator and e-mobility provider."""

    CPO = "CPO"
    EMP = "EMP"


class Delivery(StrEnum):
    """How a message reaches its receiver: answered at once, or certain to arrive and in which way."""

    INTERACTIVE = "interactive"
    LATEST = "latest"
    EVERY_IN_ORDER = "every one, in order"
    EVERY_ONCE = "every one, once"


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[Request, Answer]):
    """One row of the table.

    `path` is below the base path and may hold `{operatorID}` or `{providerID}`, always the caller's own id.
    `selects` tells, where several rows share a path, whether a decoded body belongs to this row.
    `records` is the path of members that leads to the list of records a push or page carries.
    `body_limit` is in bytes, `deadline` in seconds.
    """

    name: str
    title: str
    caller: Role
    path: str
    request: type[Request]
    answer: type[Answer]
    delivery: Delivery = Delivery.INTERACTIVE
    other_paths: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    answer_records: tuple[str, ...] = ()
    selects: Marks | None = None
    paged: bool = False
    repeatable: bool = True
    body_limit: int = MEBIBYTE
    deadline: float = 10.0

    @property
    def callee(self) -> Role:
        """The role that answers."""
        return Role.EMP if self.caller is Role.CPO else Role.CPO

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path this operation is served at, the official one first."""
        return (self.path, *self.other_paths)

    def url_path(self, caller_id: str, path: str | None = None) -> str:
        """The path with the caller's own id filled in, below the base path. `*` stays as it is."""
        return (path or self.path).replace("{operatorID}", caller_id).replace("{providerID}", caller_id)

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"


PUSH_LIMIT = 256 * MEBIBYTE
STATUS_PATH = "/evsepull/v21/providers/{providerID}/status-records"
NOTIFICATION_PATH = "/notificationmgmt/v11/charging-notifications"

PUSH_EVSE_DATA = Operation(
    name="PushEvseData",
    title="Publish charging points",
    caller=Role.CPO,
    path="/evsepush/v23/operators/{operatorID}/data-records",
    request=PushEvseData,
    answer=Acknowledgement,
    delivery=Delivery.LATEST,
    records=("OperatorEvseData", "EvseDataRecord"),
    body_limit=PUSH_LIMIT,
    deadline=60.0,
)
PUSH_EVSE_STATUS = Operation(
    name="PushEvseStatus",
    title="Publish the status of charging points",
    caller=Role.CPO,
    path="/evsepush/v21/operators/{operatorID}/status-records",
    request=PushEvseStatus,
    answer=Acknowledgement,
    delivery=Delivery.LATEST,
    records=("OperatorEvseStatus", "EvseStatusRecord"),
    body_limit=PUSH_LIMIT,
    deadline=60.0,
)
PUSH_PRICING_PRODUCT_DATA = Operation(
    name="PushPricingProductData",
    title="Publish pricing products",
    caller=Role.CPO,
    path="/dynamicpricing/v10/operators/{operatorID}/pricing-products",
    request=PushPricingProductData,
    answer=Acknowledgement,
    delivery=Delivery.LATEST,
    records=("PricingProductData", "PricingProductDataRecords"),
    body_limit=PUSH_LIMIT,
    deadline=60.0,
)
PUSH_EVSE_PRICING = Operation(
    name="PushEvsePricing",
    title="Publish which products apply at which charging points",
    caller=Role.CPO,
    path="/dynamicpricing/v10/operators/{operatorID}/evse-pricing",
    request=PushEvsePricing,
    answer=Acknowledgement,
    delivery=Delivery.LATEST,
    records=("EVSEPricing",),
    body_limit=PUSH_LIMIT,
    deadline=60.0,
)
PULL_AUTHENTICATION_DATA = Operation(
    name="PullAuthenticationData",
    title="Fetch a provider's authentication data (obsolete)",
    caller=Role.CPO,
    path="/authdata/v21/operators/{operatorID}/pull-request",
    request=PullAuthenticationData,
    answer=AuthenticationData,
    deadline=60.0,
)
AUTHORIZE_START = Operation(
    name="AuthorizeStart",
    title="Ask whether a driver may start",
    caller=Role.CPO,
    path="/charging/v21/operators/{operatorID}/authorize/start",
    request=AuthorizeStart,
    answer=AuthorizationStart,
    repeatable=False,
)
AUTHORIZE_STOP = Operation(
    name="AuthorizeStop",
    title="Ask whether a driver may stop",
    caller=Role.CPO,
    path="/charging/v21/operators/{operatorID}/authorize/stop",
    request=AuthorizeStop,
    answer=AuthorizationStop,
    repeatable=False,
)
CHARGING_NOTIFICATION_START = Operation(
    name="ChargingNotificationStart",
    title="Tell that energy flows",
    caller=Role.CPO,
    path=NOTIFICATION_PATH,
    request=ChargingNotificationStart,
    answer=Acknowledgement,
    delivery=Delivery.EVERY_IN_ORDER,
    selects=Marks(values={"Type": "Start"}),
)
CHARGING_NOTIFICATION_PROGRESS = Operation(
    name="ChargingNotificationProgress",
    title="Tell how far charging is",
    caller=Role.CPO,
    path=NOTIFICATION_PATH,
    request=ChargingNotificationProgress,
    answer=Acknowledgement,
    delivery=Delivery.EVERY_IN_ORDER,
    selects=Marks(values={"Type": "Progress"}),
)
CHARGING_NOTIFICATION_END = Operation(
    name="ChargingNotificationEnd",
    title="Tell that energy has stopped flowing",
    caller=Role.CPO,
    path=NOTIFICATION_PATH,
    request=ChargingNotificationEnd,
    answer=Acknowledgement,
    delivery=Delivery.EVERY_IN_ORDER,
    selects=Marks(values={"Type": "End"}),
)
CHARGING_NOTIFICATION_ERROR = Operation(
    name="ChargingNotificationError",
    title="Tell of an error at the charging point",
    caller=Role.CPO,
    path=NOTIFICATION_PATH,
    request=ChargingNotificationError,
    answer=Acknowledgement,
    delivery=Delivery.EVERY_IN_ORDER,
    selects=Marks(values={"Type": "Error"}),
)
CHARGE_DETAIL_RECORD = Operation(
    name="ChargeDetailRecord",
    title="Send the record a session is settled by",
    caller=Role.CPO,
    path="/cdrmgmt/v22/operators/{operatorID}/charge-detail-record",
    request=ChargeDetailRecord,
    answer=Acknowledgement,
    delivery=Delivery.EVERY_ONCE,
)
PULL_EVSE_DATA = Operation(
    name="PullEvseData",
    title="Fetch charging points",
    caller=Role.EMP,
    path="/evsepull/v23/providers/{providerID}/data-records",
    request=PullEvseData,
    answer=EvseData,
    answer_records=("content",),
    paged=True,
    deadline=60.0,
)
PULL_EVSE_STATUS_BY_ID = Operation(
    name="PullEvseStatusById",
    title="Fetch the status of given charging points",
    caller=Role.EMP,
    path=STATUS_PATH,
    other_paths=(STATUS_PATH + "-by-id",),
    request=PullEvseStatusById,
    answer=EvseStatusById,
    selects=Marks(present=("EvseID",)),
    deadline=60.0,
)
PULL_EVSE_STATUS_BY_OPERATOR_ID = Operation(
    name="PullEvseStatusByOperatorId",
    title="Fetch the status of given operators' charging points",
    caller=Role.EMP,
    path=STATUS_PATH,
    other_paths=(STATUS_PATH + "-by-operator-id",),
    request=PullEvseStatusByOperatorId,
    answer=EvseStatusByOperatorId,
    selects=Marks(present=("OperatorID",), absent=("EvseID",)),
    deadline=60.0,
)
PULL_EVSE_STATUS = Operation(
    name="PullEvseStatus",
    title="Fetch the status of charging points",
    caller=Role.EMP,
    path=STATUS_PATH,
    request=PullEvseStatus,
    answer=EvseStatus,
    selects=Marks(absent=("EvseID", "OperatorID")),
    deadline=60.0,
)
PULL_PRICING_PRODUCT_DATA = Operation(
    name="PullPricingProductData",
    title="Fetch pricing products",
    caller=Role.EMP,
    path="/dynamicpricing/v10/providers/{providerID}/pricing-products",
    request=PullPricingProductData,
    answer=PricingProductData,
    deadline=60.0,
)
PULL_EVSE_PRICING = Operation(
    name="PullEvsePricing",
    title="Fetch which products apply at which charging points",
    caller=Role.EMP,
    path="/dynamicpricing/v10/providers/{providerID}/evse-pricing",
    request=PullEvsePricing,
    answer=EvsePricing,
    deadline=60.0,
)
PUSH_AUTHENTICATION_DATA = Operation(
    name="PushAuthenticationData",
    title="Publish who may charge",
    caller=Role.EMP,
    path="/authdata/v21/providers/{providerID}/push-request",
    request=PushAuthenticationData,
    answer=Acknowledgement,
    delivery=Delivery.LATEST,
    records=("ProviderAuthenticationData", "AuthenticationDataRecord"),
    body_limit=PUSH_LIMIT,
    deadline=60.0,
)
AUTHORIZE_REMOTE_RESERVATION_START = Operation(
    name="AuthorizeRemoteReservationStart",
    title="Reserve a charging point",
    caller=Role.EMP,
    path="/reservation/v11/providers/{providerID}/reservation-start-request",
    other_paths=("/charging/v21/providers/{providerID}/authorize-remote-reservation/start",),
    request=AuthorizeRemoteReservationStart,
    answer=Acknowledgement,
    repeatable=False,
)
AUTHORIZE_REMOTE_RESERVATION_STOP = Operation(
    name="AuthorizeRemoteReservationStop",
    title="Give a reservation back",
    caller=Role.EMP,
    path="/reservation/v11/providers/{providerID}/reservation-stop-request",
    other_paths=("/charging/v21/providers/{providerID}/authorize-remote-reservation/stop",),
    request=AuthorizeRemoteReservationStop,
    answer=Acknowledgement,
    repeatable=False,
)
AUTHORIZE_REMOTE_START = Operation(
    name="AuthorizeRemoteStart",
    title="Start charging from an app",
    caller=Role.EMP,
    path="/charging/v21/providers/{providerID}/authorize-remote/start",
    request=AuthorizeRemoteStart,
    answer=Acknowledgement,
    repeatable=False,
    deadline=60.0,
)
AUTHORIZE_REMOTE_STOP = Operation(
    name="AuthorizeRemoteStop",
    title="Stop charging from an app",
    caller=Role.EMP,
    path="/charging/v21/providers/{providerID}/authorize-remote/stop",
    request=AuthorizeRemoteStop,
    answer=Acknowledgement,
    repeatable=False,
    deadline=60.0,
)
GET_CHARGE_DETAIL_RECORDS = Operation(
    name="GetChargeDetailRecords",
    title="Fetch the records of past sessions",
    caller=Role.EMP,
    path="/cdrmgmt/v22/providers/{providerID}/get-charge-detail-records-request",
    request=GetChargeDetailRecords,
    answer=ChargeDetailRecords,
    answer_records=("content",),
    paged=True,
    deadline=60.0,
)

AnyOperation = Operation[Any, Any]

OPERATIONS: tuple[AnyOperation, ...] = (
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    PUSH_EVSE_PRICING,
    PULL_AUTHENTICATION_DATA,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    CHARGING_NOTIFICATION_START,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGE_DETAIL_RECORD,
    PULL_EVSE_DATA,
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_ID,
    PULL_EVSE_STATUS_BY_OPERATOR_ID,
    PULL_PRICING_PRODUCT_DATA,
    PULL_EVSE_PRICING,
    PUSH_AUTHENTICATION_DATA,
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    GET_CHARGE_DETAIL_RECORDS,
)
BY_NAME: Mapping[str, AnyOperation] = {operation.name: operation for operation in OPERATIONS}
