"""The choice among shapes, with made-up speeds; and one real measurement."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from miner.devices.opencl_platform import ClDevice, DeviceError
from miner.devices.opencl_program import VARIANTS, Shape
from miner.devices.opencl_tune import BUDGET_SECONDS, candidates, choose_shape, measure_program
from tests.fakes.opencl import make_program, needs_device

GPU = ClDevice(
    kind="gpu",
    name="Card",
    vendor="Maker",
    platform="Platform",
    driver="1",
    units=8,
    most_group=256,
    handle=None,
)
CPU = replace(GPU, kind="cpu")


class Track:
    """Says how fast a shape is, and keeps what it was asked."""

    def __init__(self, fastest: Shape, broken: str = "") -> None:
        self.asked: list[Shape] = []
        self._fastest = fastest
        self._broken = broken

    def measure(self, shape: Shape) -> float:
        self.asked.append(shape)
        if shape.variant == self._broken:
            raise DeviceError("will not build")
        wanted = self._fastest
        return sum(
            (
                4.0 * (shape.variant == wanted.variant),
                2.0 * (shape.group == wanted.group),
                1.0 * (shape.roll == wanted.roll),
            )
        )


def test_every_variant_is_tried_and_the_fastest_group_of_the_best_taken(tmp_path: Path) -> None:
    fastest = Shape(variant="shifts", group=128, roll=True)
    track = Track(fastest)
    assert choose_shape(GPU, 1, track.measure, tmp_path) == fastest
    assert {shape.variant for shape in track.asked} == set(VARIANTS)


def test_versions_are_tried_in_a_loop_and_without(tmp_path: Path) -> None:
    fastest = Shape(variant="adds", group=256, roll=False)
    assert choose_shape(GPU, 4, Track(fastest).measure, tmp_path) == fastest


def test_what_was_measured_once_is_known_from_then_on(tmp_path: Path) -> None:
    fastest = Shape(variant="select", group=64)
    track = Track(fastest)
    choose_shape(GPU, 1, track.measure, tmp_path)
    asked = len(track.asked)
    assert choose_shape(GPU, 1, track.measure, tmp_path) == fastest
    assert len(track.asked) == asked
    choose_shape(GPU, 4, track.measure, tmp_path)
    choose_shape(replace(GPU, driver="2"), 1, track.measure, tmp_path)
    assert len(track.asked) > 2 * asked


@pytest.mark.parametrize("text", ["", "{", '{"shape": {"variant": "gone"}}', '{"shape": 1}', "[]"])
def test_a_spoiled_file_is_measured_anew(tmp_path: Path, text: str) -> None:
    track = Track(Shape(variant="plain", group=256))
    chosen = choose_shape(GPU, 1, track.measure, tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(text)
    assert choose_shape(GPU, 1, track.measure, tmp_path) == chosen
    assert json.loads(kept.read_text())["shape"]["variant"] == "plain"


def test_a_shape_that_cannot_be_built_is_passed_over(tmp_path: Path) -> None:
    track = Track(Shape(variant="adds", group=256), broken="adds")
    assert choose_shape(GPU, 1, track.measure, tmp_path).variant != "adds"


def test_a_device_that_can_use_none_is_told(tmp_path: Path) -> None:
    def fail(shape: Shape) -> float:
        raise DeviceError("will not build")

    with pytest.raises(DeviceError, match="will not build"):
        choose_shape(GPU, 1, fail, tmp_path)


def test_after_its_time_the_best_so_far_is_taken(tmp_path: Path) -> None:
    track, now = Track(Shape(variant="select", group=256)), iter(range(0, 10_000, 20))
    choose_shape(GPU, 1, track.measure, tmp_path, clock=lambda: float(next(now)))
    assert 1 <= len(track.asked) <= BUDGET_SECONDS / 20 + 1


def test_a_cpu_has_nothing_to_choose(tmp_path: Path) -> None:
    track = Track(Shape())
    assert choose_shape(CPU, 4, track.measure, tmp_path) == Shape()
    assert track.asked == []
    assert list(tmp_path.iterdir()) == []


def test_small_groups_are_all_that_a_small_device_is_asked_for() -> None:
    assert {shape.group for shape in candidates(replace(GPU, most_group=32))} == {32}


def test_a_choice_that_cannot_be_kept_is_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fastest = Shape(variant="plain", group=256)
    assert choose_shape(GPU, 1, Track(fastest).measure, tmp_path / "file") == fastest


@needs_device
def test_a_program_is_measured_by_the_devices_clock() -> None:
    speed = measure_program(make_program(1, optimised=False), seconds=0.01)
    assert 1e3 < speed < 1e12
