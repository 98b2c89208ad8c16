"""`Shelf`: writes the transactions of templates down before any block of theirs is found.

A full block is megabytes, and to force those to disk takes longer than all else between a
found share and `submitblock`. So what a block has beside header and coinbase is written down
when its template comes; the journal's line of the finding then needs a name alone.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from headframe.chain.hashes import sha256d
from headframe.chain.header import HEADER_BYTES
from headframe.chain.job import Job
from headframe.chain.offer import TemplateTx
from headframe.chain.share import Share
from headframe.chain.template import Template, assemble_block, assemble_head
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.upstream.bodies import KEPT, Bodies
from headframe.upstream.journal import FoundBlock

__all__ = ["Shelf"]

_log = get_logger(__name__)

_LARGE_BYTES: Final = 65_536
"""Less than this is in the journal as soon as a name is."""
_CALM_SECONDS: Final = 0.1
"""Rigs are being given the job at that time."""


class Shelf:
    """Keeps the bodies of one source's templates, beside its work.

    Args:
        bodies: where.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._newest: Latest[Template | None] = Latest(None)
        self._kept: dict[tuple[bytes, ...], tuple[str, bytes]] = {}
        self._told = False

    def put(self, template: Template) -> None:
        """Take note of a template; `run` writes the newest one down."""
        self._newest.set(template)

    def block_of(self, template: Template, job: Job, share: Share) -> FoundBlock:
        """Put together the block that a share has found; arguments as for `assemble_block`."""
        body, end = self._find(template)
        if body:
            raw = assemble_head(template, job, share) + end
        else:
            raw = assemble_block(template, job, share)
        return FoundBlock(
            source=job.source,
            height=template.height,
            hash=sha256d(raw[:HEADER_BYTES]),
            raw=raw,
            body=body,
            body_bytes=len(end),
        )

    def _find(self, template: Template) -> tuple[str, bytes]:
        """Tell under which name a template's transactions are on disk, and what they are."""
        name, data = self._kept.get(_key(template), ("", b""))
        return (name, data) if self._bodies.holds(name) else ("", b"")

    async def run(self) -> None:
        """Write until cancelled."""
        serial = 0
        while True:
            await self._newest.wait_newer(serial)
            await asyncio.sleep(_CALM_SECONDS)
            serial, template = self._newest.serial, self._newest.get()
            if template is not None and _size(template.transactions) >= _LARGE_BYTES:
                await self._keep(template)

    async def _keep(self, template: Template) -> None:
        key = _key(template)
        if self._find(template)[0]:
            return
        try:
            self._kept[key] = await asyncio.to_thread(self._write, template)
        except OSError as error:
            say = _log.debug if self._told else _log.warning
            self._told = True
            say(
                "template_not_kept",
                error=str(error),
                consequence="a full block takes a little longer until it is safe on disk",
            )
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def _write(self, template: Template) -> tuple[str, bytes]:
        data = bytes.fromhex("".join([tx.data for tx in template.transactions]))
        return self._bodies.keep(data), data


def _key(template: Template) -> tuple[bytes, ...]:
    """Name a set of transactions, witnesses included."""
    return (template.commitment or b"", *template.path)


def _size(transactions: Sequence[TemplateTx]) -> int:
    return sum(len(tx.data) for tx in transactions) // 2
