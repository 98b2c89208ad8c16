"""What the compiled module exports; the C side is c/headframe.h."""

from typing import Any

class CData:
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
    def __getitem__(self, index: int) -> Any: ...
    def __add__(self, offset: int) -> CData: ...

class CType: ...

class FFI:
    NULL: CData
    def typeof(self, cdecl: str) -> CType: ...
    def new(self, cdecl: str | CType, init: object = ...) -> CData: ...
    def buffer(self, cdata: CData, size: int = ...) -> Any: ...
    def from_buffer(self, cdecl: str | CType, buffer: object) -> CData: ...
    def string(self, cdata: CData) -> bytes: ...

class Lib:
    HF_MAX_HITS: int
    HF_MAX_HEADS: int
    HF_OK: int
    HF_BAD_KERNEL: int
    HF_BAD_RANGE: int
    HF_BAD_HEADS: int
    HF_BAD_CONTEXT: int
    HF_KNOWN: int
    HF_ADDED: int
    HF_NO_ROOM: int
    HF_MAX_SHARES: int
    HF_SLOTS: int
    HF_TOOK_ALL: int
    HF_TOOK_MANY: int
    HF_OTHER_JOB: int
    HF_NOT_PLAIN: int

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
    def hf_leaf_path(self, path: CData, hasher: int, row: CData, count: int) -> int: ...
    def hf_table_has(self, slots: CData, bits: int, salt: int, number: int) -> int: ...
    def hf_table_add(self, slots: CData, bits: int, salt: int, number: int) -> int: ...
    def hf_table_copy(
        self, to: CData, to_bits: int, from_slots: CData, from_bits: int, salt: int
    ) -> int: ...
    def hf_table_put(self, table: CData, number: int) -> int: ...
    def hf_take_shares(
        self,
        taken: CData,
        task: CData,
        rig: bytes,
        rig_size: int,
        latest: int,
        data: bytes,
        size: int,
    ) -> int: ...
    def hf_send_all(
        self, taken: CData, next: CData, sockets: CData, count: int, data: bytes, size: int
    ) -> int: ...

ffi: FFI
lib: Lib
