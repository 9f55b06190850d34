"""Launch plans that limit how many of their executions run at once."""

import datetime as dt

from flytekit import Annotations, LaunchPlan, wait_for_input, workflow


@workflow
def held() -> int:
    return wait_for_input("number", timeout=dt.timedelta(hours=1), expected_type=int)


queued = LaunchPlan.get_or_create(
    held, "limited_queued", annotations=Annotations({"flytetemporal.io/concurrency": "{max: 1, on_limit: queue}"})
)
replaced = LaunchPlan.get_or_create(
    held, "limited_replaced", annotations=Annotations({"flytetemporal.io/concurrency": "{max: 1, on_limit: replace}"})
)
