"""The kernels in C, as objects; and why there are none, when the module was not built."""

from collections.abc import Sequence
from dataclasses import dataclass

from native.kernel import HEAD_BYTES, TAIL_BYTES, ScanResult, StopFlag, ensure_request

try:
    from native._native import ffi, lib
except ImportError as error:
    extension_missing = (
        f"the compiled kernels cannot be loaded ({error}); hashing with Python, many "
        "times slower. To build them: make build"
    )
    """Why the compiled module cannot be used, as one line for people; "" when it can."""
else:
    extension_missing = ""

__all__ = ["CompiledKernel", "compiled_kernels", "extension_missing", "unusable_kernels"]


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """A kernel in C.

    Attributes:
        name: its name in `registry.c`.
        lanes: nonces hashed at once.
        versions: heads hashed at once.
        number: its row in `registry.c`.
    """

    name: str
    lanes: int
    versions: int
    number: int

    def scan(
        self,
        heads: Sequence[bytes],
        tail12: bytes,
        target: bytes,
        first: int,
        count: int,
        stop: StopFlag,
    ) -> ScanResult:
        """Search for nonces, with the interpreter's lock released; see `Kernel.scan`."""
        ensure_request(heads, tail12, target, first, count)
        # The byte in front puts everything at odd addresses: what the self-test sees is
        # what every scan does.
        work = b"".join((b"\0", *heads, tail12, target))
        start = ffi.from_buffer("uint8_t[]", work) + 1
        tail = start + HEAD_BYTES * len(heads)
        found = ffi.new("hf_found *")
        code = lib.hf_scan(
            found,
            self.number,
            start,
            len(heads),
            tail,
            tail + TAIL_BYTES,
            first,
            count,
            ffi.from_buffer("uint32_t[]", stop.word),
        )
        if code != lib.HF_OK:
            raise ValueError(f"kernel {self.name} refused the scan (code {code})")
        hits = [(found.hits[i].head, found.hits[i].nonce) for i in range(found.hit_count)]
        hits.sort(key=lambda hit: (hit[1], hit[0]))
        return ScanResult(tuple(hits), found.next)


def compiled_kernels() -> tuple[CompiledKernel, ...]:
    """List the kernels in C that this CPU and operating system can run, most preferred first."""
    if extension_missing:
        return ()
    return tuple(
        CompiledKernel(
            name=ffi.string(lib.hf_kernel_name(number)).decode(),
            lanes=lib.hf_kernel_lanes(number),
            versions=lib.hf_kernel_versions(number),
            number=number,
        )
        for number in range(lib.hf_kernel_count())
        if lib.hf_kernel_usable(number)
    )


def unusable_kernels() -> tuple[str, ...]:
    """Name the kernels that were compiled, but that this CPU or operating system cannot run."""
    if extension_missing:
        return ()
    return tuple(
        ffi.string(lib.hf_kernel_name(number)).decode()
        for number in range(lib.hf_kernel_count())
        if not lib.hf_kernel_usable(number)
    )
