"""What the backends write into their journals: what they meant to send, what was acknowledged, what they received."""

from msgspec import Struct


class Begun(Struct, tag="begun"):
    """The CPO's backend is about to ask whether a driver may start: intent `number`, and the body it will send."""

    at: float
    number: int
    partner_session_id: str
    body: str


class NotStarted(Struct, tag="not started"):
    """The answer to an AuthorizeStart that ends its intent: the code of the refusal."""

    at: float
    number: int
    code: str


class Session(Struct, tag="session"):
    """A session of the CPO's backend, with everything it will send: the name of each operation and its body.

    `number` is the intent, None for a session that a remote start began.
    """

    at: float
    session_id: str
    number: int | None
    steps: list[tuple[str, str]]


class Acknowledged(Struct, tag="acknowledged"):
    """A message of a session has been acknowledged: the step's place in `Session.steps`, and whether it is the last."""

    at: float
    session_id: str
    step: int
    is_last: bool


class Refused(Struct, tag="refused"):
    """A message of a session was refused for good."""

    at: float
    session_id: str
    step: int
    code: str
    told: str


class Push(Struct, tag="push"):
    """The CPO's backend is about to publish; `state` is what it publishes once that has been done, by EvseID."""

    at: float
    operation: str
    number: int
    action: str
    body: str
    state: dict[str, str]


class Pushed(Struct, tag="pushed"):
    """A push has been acknowledged."""

    at: float
    operation: str
    number: int


class PushRefused(Struct, tag="push refused"):
    """A push was refused; `is_repeat` where an earlier attempt may have been done."""

    at: float
    operation: str
    number: int
    is_repeat: bool
    told: str


class Authorized(Struct, tag="authorized"):
    """The EMP's backend has said yes to an AuthorizeStart."""

    at: float
    session_id: str


class Received(Struct, tag="received"):
    """The EMP's backend has taken a notification or a CDR."""

    at: float
    session_id: str
    operation: str
    body: str


class RemotelyStarted(Struct, tag="remotely started"):
    """The EMP's backend was told that its remote start `number` has been done."""

    at: float
    number: int
    session_id: str


class RemotelyRefused(Struct, tag="remotely refused"):
    """A remote start of the EMP's backend was refused for good."""

    at: float
    number: int
    told: str


CpoEntry = Begun | NotStarted | Session | Acknowledged | Refused | Push | Pushed | PushRefused
EmpEntry = Authorized | Received | RemotelyStarted | RemotelyRefused
