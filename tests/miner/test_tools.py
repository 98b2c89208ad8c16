import json
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from miner.checks import Check
from miner.tools import _look_at, bench, devices, selftest, tell_checks
from native import kernels
from tests.fakes.device import LyingKernel
from tests.fakes.opencl import needs_device

NAMES = [kernel.name for kernel in kernels()]
REFERENCE = NAMES[-1]


def run(command: click.Command, *args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command, args, env=env)


def data_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


@pytest.mark.parametrize("command", [bench, devices, selftest])
def test_an_unknown_kernel_is_one_line_that_lists_those_there_are(command: click.Command) -> None:
    result = run(command, "--kernel", "shiny")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no kernel 'shiny' for this machine; there are: ")
    assert result.stderr.endswith(f"{', '.join(NAMES)}\n")
    assert result.stderr.count("\n") == 1


def test_bench_measures_every_kernel_in_one_thread_and_in_all() -> None:
    data = data_of(run(bench, "--seconds", "0.05", "--threads", "2", "--json"))
    assert [(row["kernel"], row["threads"]) for row in data["speeds"]] == [
        (name, threads) for name in NAMES for threads in (1, 2)
    ]
    assert all(row["hashes_per_cpu_second"] > 0 for row in data["speeds"])
    assert data["machine"]["cores"] >= 1


def test_bench_shows_people_a_table() -> None:
    result = run(bench, "--seconds", "0.05", "--threads", "1", "--kernel", REFERENCE)
    assert result.exit_code == 0
    head, row = result.stdout.splitlines()[1:]
    assert head.split("  ")[0] == "kernel"
    assert row.startswith(f"{REFERENCE}  1         1        ")
    assert "H/s" in row


@pytest.mark.parametrize("args", [["--seconds", "0"], ["--threads", "0"], ["--seconds", "x"]])
def test_bench_refuses_what_cannot_be(args: list[str]) -> None:
    result = run(bench, *args)
    assert result.exit_code == 2
    assert args[0] in result.stderr


def test_devices_lists_the_kernels_and_what_would_be_used() -> None:
    data = data_of(run(devices, "--json"))
    assert [row["name"] for row in data["kernels"]] == NAMES
    assert all(row["hashes_per_cpu_second"] > 0 and not row["fault"] for row in data["kernels"])
    assert data["used"]["plain"] in NAMES
    assert {row["name"]: row["versions"] for row in data["kernels"]}[data["used"]["plain"]] == 1
    text = run(devices).stdout
    assert all(f"  {name} " in text for name in NAMES)
    assert text.splitlines()[-1].startswith("mining would use: ")


def test_the_environment_and_the_option_choose_for_devices() -> None:
    for result in (
        run(devices, "--json", env={"HEADFRAME_KERNEL": REFERENCE}),
        run(devices, "--json", "--kernel", REFERENCE, env={"HEADFRAME_KERNEL": "shiny"}),
    ):
        assert data_of(result)["used"]["rolled"] == REFERENCE
    assert run(devices, env={"HEADFRAME_KERNEL": "shiny"}).exit_code == 2


def test_selftest_passes_here() -> None:
    data = data_of(run(selftest, "--json"))
    assert data["ok"] is True
    assert [check["name"] for check in data["checks"]] == [*NAMES, "share_hash"]
    lines = run(selftest, "--kernel", REFERENCE).stdout.splitlines()
    assert [line.split() for line in lines] == [[REFERENCE, "ok"], ["share_hash", "ok"]]


@pytest.mark.parametrize(
    ("name", "words"), [("toaster", "toaster"), ("python", "such as gpu:0"), ("gpu:99", "gpu")]
)
def test_selftest_refuses_what_is_no_device_of_its_own(name: str, words: str) -> None:
    result = run(selftest, "--device", name)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@needs_device
def test_selftest_builds_and_tests_an_opencl_device() -> None:
    result = run(selftest, "--device", "opencl:0", "--kernel", "opencl", "--json")
    assert data_of(result) == {
        "ok": True,
        "checks": [{"name": "opencl:0 opencl", "ok": True, "fault": ""}],
    }
    both = run(selftest, "--device", "opencl:0", "--device", "cpu", "--kernel", "shiny")
    assert both.exit_code == 2, "no such kernel of the CPU"


def test_a_fault_is_said_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check(name="good"), Check(name="bad", fault="kernel bad fails its self-test")]
    assert tell_checks(checks, as_json=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "good             ok",
        "bad              kernel bad fails its self-test",
    ]
    assert tell_checks(checks, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_kernel_that_fails_its_self_test_is_not_measured() -> None:
    row = _look_at(LyingKernel("liar", versions=4))
    assert "kernel liar fails its self-test" in str(row["fault"])
    assert row["hashes_per_cpu_second"] is None
    assert (row["name"], row["versions"]) == ("liar", 4)


@pytest.mark.parametrize("command", ["selftest", "devices", "bench --seconds 0.05 --threads 1"])
def test_without_compiled_kernels_each_says_why_hashing_is_slow(command: str) -> None:
    program = "import sys; sys.modules['native._native'] = None; from headframe.cli import main"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; main({command.split()!r})"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "make build" in warnings[0]
    assert REFERENCE in done.stdout


def test_devices_tells_what_opencl_finds_or_why_it_finds_nothing() -> None:
    data = data_of(run(devices, "--json"))
    assert bool(data["opencl"]) != bool(data["opencl_missing"])
    text = run(devices).stdout
    if data["opencl_missing"]:
        assert f"no GPU: {data['opencl_missing']}" in text
    for row in data["opencl"]:
        assert row["device"] in text
        assert row["names"][0] in text


@pytest.mark.parametrize(
    ("name", "words"), [("toaster", "toaster"), ("python", "expected one GPU"), ("gpu:99", "gpu")]
)
def test_bench_refuses_a_device_that_it_cannot_measure(name: str, words: str) -> None:
    result = run(bench, "--device", name)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@needs_device
def test_bench_measures_an_opencl_device_as_it_does_cpus() -> None:
    data = data_of(
        run(bench, "--device", "opencl:0", "--kernel", "opencl", "--seconds", "0.05", "--json")
    )
    assert [(row["kernel"], row["threads"]) for row in data["speeds"]] == [
        ("opencl", 1),
        ("opencl", 2),
    ]
