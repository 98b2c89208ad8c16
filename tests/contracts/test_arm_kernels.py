"""The kernels for ARM, in an emulated CPU that has all its instructions."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from native import StopFlag, pack_context, self_test
from native.share import hash_in_python
from tests.contracts.kernel import HEAD, REGTEST, TAIL, KernelContract
from tests.fakes.armkernel import (
    COMPILERS,
    ArmKernel,
    ArmProgram,
    compile_for_arm,
    find_emulator,
    installed_compilers,
    skip_module_without_tools,
)

pytestmark = pytest.mark.arm
skip_module_without_tools()

SERVE = Path(__file__).parents[1] / "native" / "arm" / "serve.c"
KERNELS = ("armv8", "neon_versions", "neon", "portable")
HASHERS = ("armv8", "portable")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ArmProgram]]:
    """Each compiler's program, started once for the whole module."""
    running: dict[str, ArmProgram] = {}

    def of(compiler: str) -> ArmProgram:
        if compiler not in running:
            emulator = find_emulator()
            built = compile_for_arm(compiler, SERVE, tmp_path_factory.mktemp("arm"))
            running[compiler] = ArmProgram(emulator, built)
        return running[compiler]

    yield of
    for program in running.values():
        program.close()


@pytest.fixture(params=installed_compilers() or COMPILERS)
def program(programs: Callable[[str], ArmProgram], request: pytest.FixtureRequest) -> ArmProgram:
    return programs(request.param)


class TestArmKernels(KernelContract):
    @pytest.fixture(params=KERNELS)
    def kernel(self, program: ArmProgram, request: pytest.FixtureRequest) -> ArmKernel:
        return program.kernels[request.param]

    def test_it_passes_the_self_test(self, kernel: ArmKernel) -> None:
        self_test(kernel)


def test_every_row_of_the_tables_is_tested(program: ArmProgram) -> None:
    assert tuple(program.kernels) == KERNELS
    assert tuple(program.hashers) == HASHERS


def test_number_of_no_kernel_is_refused(program: ArmProgram) -> None:
    absent = ArmKernel("absent", 1, 1, 99, program)
    with pytest.raises(ValueError, match="kernel absent refused the scan"):
        absent.scan([HEAD], TAIL, REGTEST, 0, 1, StopFlag())


@pytest.mark.parametrize("hasher", HASHERS)
class TestArmHashers:
    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        prefix=st.binary(max_size=300),
        suffix=st.binary(max_size=300),
        path=st.lists(st.binary(min_size=32, max_size=32), max_size=14),
        extranonce=st.binary(max_size=64),
        numbers=st.tuples(*[st.integers(min_value=0, max_value=2**32 - 1)] * 4),
    )
    @example(prefix=b"", suffix=b"", path=[], extranonce=b"", numbers=(0, 0, 0, 0))
    def test_it_is_what_hashlib_says(
        self,
        program: ArmProgram,
        hasher: str,
        *,
        prefix: bytes,
        suffix: bytes,
        path: list[bytes],
        extranonce: bytes,
        numbers: tuple[int, int, int, int],
    ) -> None:
        *rest, nbits = numbers
        version, ntime, nonce = rest
        context = pack_context(prefix, suffix, path, prefix.ljust(32)[:32], nbits)
        wanted = hash_in_python(context, extranonce, version, ntime, nonce)
        number = program.hashers[hasher]
        assert program.share_hash(number, context, extranonce, (version, ntime, nonce)) == wanted

    def test_coinbase_may_end_anywhere_in_a_block(self, program: ArmProgram, hasher: str) -> None:
        for size in range(131):
            context = pack_context(bytes(range(size)), b"", [], HEAD[:32], 7)
            wanted = hash_in_python(context, b"", 1, 2, 3)
            assert program.share_hash(program.hashers[hasher], context, b"", (1, 2, 3)) == wanted

    def test_cut_context_is_refused(self, program: ArmProgram, hasher: str) -> None:
        context = pack_context(b"p" * 20, b"s" * 30, [b"h" * 32], b"q" * 32, 1)
        for cut in (0, 47, 48, len(context) - 1):
            with pytest.raises(ValueError, match="refused the share"):
                program.share_hash(program.hashers[hasher], context[:cut], b"", (1, 2, 3))


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_each_compiler_builds_it_without_warnings(
    compiler: str, level: str, tmp_path: Path
) -> None:
    assert compile_for_arm(compiler, SERVE, tmp_path, level=level).is_file()


def test_tools_that_are_missing_are_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        for ask in (find_emulator, lambda: compile_for_arm("gcc", SERVE, tmp_path)):
            with pytest.raises(outcome, match="apt-get install gcc-aarch64-linux-gnu"):
                ask()
