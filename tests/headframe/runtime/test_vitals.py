"""What every program tells of itself."""

import asyncio
import platform
import time

from prometheus_client.parser import text_string_to_metric_families

from headframe import __version__
from headframe.runtime.metrics import render
from headframe.runtime.vitals import BUILD_LABELS, Vitals, self_report


async def test_a_loop_that_was_kept_busy_is_late() -> None:
    vitals = Vitals()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(vitals.watch(0.001))
        while vitals.event_loop_lag.count < 3:
            await asyncio.sleep(0)
        before = vitals.event_loop_lag.sum
        time.sleep(0.1)  # noqa: ASYNC251 # what nobody may do in a program
        seen = vitals.event_loop_lag.count
        while vitals.event_loop_lag.count == seen:
            await asyncio.sleep(0)
        watch.cancel()
    assert vitals.event_loop_lag.sum - before >= 0.09


def test_reloads_are_counted_by_what_became_of_them() -> None:
    vitals = Vitals()
    assert vitals.config_last_reload_successful == 1
    vitals.reloaded(1_700_000_000, done=True)
    vitals.reloaded(1_700_000_060, done=False)
    assert vitals.config_reloads == {"done": 1, "refused": 1}
    assert vitals.config_last_reload_successful == 0
    assert vitals.config_last_reload_success_timestamp == 1_700_000_000


def test_the_report_says_what_is_running() -> None:
    text = render(*self_report(Vitals(), program="test", kernels="python")).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    [build] = families["headframe_build_info"].samples
    assert build.value == 1
    assert build.labels["version"] == __version__
    assert build.labels["python"] == platform.python_version()
    assert (build.labels["program"], build.labels["kernels"]) == ("test", "python")
    assert set(build.labels) == set(BUILD_LABELS)
    [started] = families["process_start_time_seconds"].samples
    assert started.value > 1_600_000_000
    assert families["headframe_config_last_reload_success_timestamp_seconds"].samples[0].value == 0
