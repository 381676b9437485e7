"""Tags of the runs the factory asks for: what the plan and the alerts read of a run, and what the UI can filter by."""

from collections.abc import Mapping
from datetime import datetime

from factory_assets.orchestration.operation.plan import Request

CONTRACT, TRADE_DATE, STAGE = "factory/contract", "factory/trade_date", "factory/stage"
PERIOD, ATTEMPT, INPUTS = "factory/period", "factory/attempt", "factory/inputs"
LAST_ATTEMPT, ASKED_AT, PROFILE = "factory/last_attempt", "factory/asked_at", "factory/profile"
YES, NO = "yes", "no"


def tags_of(request: Request, *, now: datetime, profile: str) -> Mapping[str, str]:
    """Tags of one run.

    Parameters
    ----------
    request : Request
        What the plan wants.
    now : datetime
        Moment of asking, by the factory's clock; the back-off counts from it.
    profile : str
        Budget.
    """
    return {
        CONTRACT: request.key.contract,
        TRADE_DATE: request.trade_date or "none",
        STAGE: request.stage,
        PERIOD: request.period,
        ATTEMPT: str(request.number),
        INPUTS: request.inputs,
        LAST_ATTEMPT: YES if request.is_last else NO,
        ASKED_AT: now.isoformat(),
        PROFILE: profile,
        "dagster/priority": str(request.priority),
    }
