"""How messages that wait for a peer are tried again, and when that ends."""

from pydantic import Field

from p2pnode.config.settings import Settings


class OutboxSection(Settings):
    """How often what a peer has not taken is sent again, and when it is given up. Times in seconds if not said."""

    base_seconds: float = Field(default=1.0, gt=0, description="How long after the first failure it is tried again.")
    factor: float = Field(default=2.0, ge=1, description="By how much every further pause is longer.")
    jitter: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="By which share a pause is lengthened at random, so that nodes do not march.",
    )
    cap_seconds: float = Field(default=300.0, gt=0, description="The longest pause.")
    dead_after_days: float = Field(
        default=7.0, gt=0, description="After how many days a message that nobody takes becomes a dead letter."
    )
    failed_answers: int = Field(
        default=10,
        ge=1,
        description="How often a message is sent again that the peer answers with a failure of its own, before "
        "those of other sessions, and the CDR of its own, pass it.",
    )
    breaker_failures: int = Field(
        default=3, ge=1, description="After how many calls in a row without an answer a peer counts as away."
    )
    breaker_cap_seconds: float = Field(
        default=60.0, gt=0, description="The longest time for which a peer that is away is not asked."
    )
    catch_up: bool = Field(
        default=True,
        description="Whether EVSE data, status and CDRs are pulled from peers that have been away, and from all soon "
        "after a start, as far as `send` of the peer's entry allows these operations.",
    )
    catch_up_seconds: float = Field(default=300.0, ge=0, description="How long a peer has to have been away for that.")
    status_full_load_hours: float = Field(
        default=24.0,
        ge=0,
        description="How often every EMP gets the status of all EVSEs though nothing has changed; 0: never.",
    )
    data_full_load_days: float = Field(
        default=7.0, ge=0, description="How often every EMP gets all EVSE data though nothing has changed; 0: never."
    )
    rest_seconds: float = Field(
        default=5.0, gt=0, description="How long a message that is on its way may take after a stop."
    )
    push_records: int = Field(
        default=10_000, ge=1, description="How many records one push holds that brings a peer up to date."
    )
