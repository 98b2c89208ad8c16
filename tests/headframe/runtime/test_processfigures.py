"""Figures of this process, held against those of Prometheus's own client library."""

import gc
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.parser import text_string_to_metric_families

from headframe.runtime.exposition import Family, write
from headframe.runtime.processfigures import ProcessFigures, PythonFigures

Figures = dict[tuple[str, str, tuple[tuple[str, str], ...]], float]


def read(page: bytes) -> Figures:
    return {
        (family.type, sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def ours(families: Iterable[Family]) -> Figures:
    return read(write(families))


def theirs() -> Figures:
    registry = CollectorRegistry()
    for each in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(each)
    return read(generate_latest(registry))


def test_metrics_types_and_labels_are_those_of_the_client_library() -> None:
    made = ours([*ProcessFigures().collect(), *PythonFigures().collect()])
    assert set(made) == set(theirs())


def test_figures_are_near_those_of_the_client_library() -> None:
    made, known = ours(ProcessFigures().collect()), theirs()
    for name, within in (
        ("process_virtual_memory_bytes", 0.2),
        ("process_resident_memory_bytes", 0.2),
        ("process_start_time_seconds", 1e-6),
        ("process_cpu_seconds_total", 0.5),
        ("process_max_fds", 0),
    ):
        [(key, value)] = [each for each in made.items() if each[0][1] == name]
        assert value == pytest.approx(known[key], rel=within)


def test_files_that_are_open_are_counted(tmp_path: Path) -> None:
    def count() -> float:
        return ours(ProcessFigures().collect())["gauge", "process_open_fds", ()]

    before = count()
    with (tmp_path / "one").open("w"), (tmp_path / "other").open("w"):
        assert count() == before + 2


def test_collections_are_counted_by_generation() -> None:
    key = ("counter", "python_gc_collections_total", (("generation", "2"),))
    before = ours(PythonFigures().collect())[key]
    gc.collect()
    assert ours(PythonFigures().collect())[key] >= before + 1


def test_a_program_s_name_may_hold_anything(tmp_path: Path) -> None:
    """A line as in proc(5), of a program that calls itself `) 1 (`; fields 14, 15, 22, 23, 24."""
    me = tmp_path / "self"
    (me / "fd").mkdir(parents=True)
    fields = [str(number) for number in range(4, 53)]
    fields[14 - 4], fields[15 - 4], fields[22 - 4] = "250", "50", "7000"
    fields[23 - 4], fields[24 - 4] = "1000000", "10"
    (me / "stat").write_text("7 () 1 () S " + " ".join(fields))
    (me / "limits").write_text("Limit Soft Hard Units\nMax open files unlimited unlimited files\n")
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1700000000\n")
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert {
        name: value for (_, name, _), value in ours(ProcessFigures(tmp_path).collect()).items()
    } == {
        "process_virtual_memory_bytes": 1000000,
        "process_resident_memory_bytes": 10 * page,
        "process_start_time_seconds": 1700000000 + 7000 / ticks,
        "process_cpu_seconds_total": 300 / ticks,
        "process_open_fds": 0,
        "process_max_fds": float("inf"),
    }


def test_without_proc_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert list(ProcessFigures(tmp_path).collect()) == []
