"""What the compiled module exports; the C side is c/headframe.h."""

from typing import Any

class CData:
    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, index: int) -> Any: ...
    def __add__(self, offset: int) -> CData: ...

class FFI:
    NULL: CData
    def new(self, cdecl: str, init: object = ...) -> CData: ...
    def buffer(self, cdata: CData, size: int = ...) -> Any: ...
    def from_buffer(self, cdecl: str, buffer: object) -> CData: ...
    def string(self, cdata: CData) -> bytes: ...

class Lib:
    HF_MAX_HITS: int
    HF_MAX_HEADS: int
    HF_OK: int
    HF_BAD_KERNEL: int
    HF_BAD_RANGE: int
    HF_BAD_HEADS: int
    HF_BAD_CONTEXT: int

    def hf_kernel_count(self) -> int: ...
    def hf_kernel_name(self, kernel: int) -> CData: ...
    def hf_kernel_lanes(self, kernel: int) -> int: ...
    def hf_kernel_versions(self, kernel: int) -> int: ...
    def hf_kernel_usable(self, kernel: int) -> int: ...
    def hf_scan(
        self,
        found: CData,
        kernel: int,
        heads: CData,
        head_count: int,
        tail: CData,
        target: CData,
        first: int,
        count: int,
        stop: CData,
    ) -> int: ...
    def hf_hasher_count(self) -> int: ...
    def hf_hasher_name(self, hasher: int) -> CData: ...
    def hf_hasher_usable(self, hasher: int) -> int: ...
    def hf_share_hash(
        self,
        hash: CData,
        hasher: int,
        context: bytes,
        context_size: int,
        extranonce: bytes,
        extranonce_size: int,
        version: int,
        ntime: int,
        nonce: int,
    ) -> int: ...

ffi: FFI
lib: Lib
