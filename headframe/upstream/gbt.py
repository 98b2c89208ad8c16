"""`GbtSource`: solo mining on a node, by `getblocktemplate` and `submitblock`.

A template becomes a job whose every share is a block. The job is made anew when the tip
changes, every half minute for new transactions, when the pace moves, and on the testnets
when the 20 minutes are over after which a block may be easy.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from headframe.chain.address import script_from_address
from headframe.chain.coinbase import Output
from headframe.chain.errors import AddressError, ChainError
from headframe.chain.hashes import hash_to_hex, sha256d
from headframe.chain.job import BIP320_MASK, Job, JobId, Lineage
from headframe.chain.network import Network
from headframe.chain.offer import TemplateTx
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import Target, difficulty_from_target
from headframe.chain.template import (
    Template,
    assemble_block,
    make_job,
    parse_template,
)
from headframe.runtime.clock import monotonic
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.upstream.base import (
    BadUpstreamError,
    Done,
    SourceState,
    SourceStatus,
    UpstreamError,
)
from headframe.upstream.delivery import Delivery
from headframe.upstream.journal import FoundBlock, Journal
from headframe.upstream.node import NodeRpc, RpcError
from headframe.upstream.pace import EASIEST_WORK, Pace
from headframe.upstream.preflight import Chain, inspect_chain
from headframe.upstream.tasks import run_together
from headframe.upstream.tip import TipWatch

__all__ = ["DEFAULT_PACE_SECONDS", "GbtOptions", "GbtSource"]

_log = get_logger(__name__)

DEFAULT_PACE_SECONDS: Final = 10.0
"""Time between blocks on chains that nobody else paces."""
_EASY_AFTER_SECONDS: Final = 1201
"""Age of the parent from which on the testnets ask for difficulty 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GbtOptions:
    """How to mine on a node.

    Attributes:
        address: who is paid; checked against the node's network.
        tag: text for the coinbase.
        extranonce_size: free bytes for the miners.
        pace_seconds: time between blocks; 0 for none, `None` for the chain's default.
        easiest_work: fewest hashes per block that the pace asks for.
        version_mask: bits that may be rolled.
        allow_mainnet: mine on mainnet, too.
        hold_seconds: how long the last job is worked on while templates are wrong.
        refresh_seconds: time between two jobs on one tip.
        poll_seconds: time between two looks at the tip.
        trouble_seconds: time between two tries while templates cannot be used.
    """

    address: str
    tag: str = "/headframe/"
    extranonce_size: int = 8
    pace_seconds: float | None = None
    easiest_work: int = EASIEST_WORK
    version_mask: int = BIP320_MASK
    allow_mainnet: bool = False
    hold_seconds: float = 60.0
    refresh_seconds: float = 30.0
    poll_seconds: float = 1.0
    trouble_seconds: float = 5.0


class GbtSource:
    """A `JobSource` on one node.

    Args:
        options: what to mine.
        rpc: the node; closed when `run` ends.
        lineage: names the source and gives the serials.
        journal: keeps found blocks until the node has judged them.
        clock: monotonic seconds, for the pace.
    """

    def __init__(
        self,
        options: GbtOptions,
        *,
        rpc: NodeRpc,
        lineage: Lineage,
        journal: Journal,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._options = options
        self._rpc = rpc
        self._lineage = lineage
        self._clock = clock
        self._delivery = Delivery(rpc, journal, source=lineage.source, judged=self._on_verdict)
        self._jobs: Latest[Job | None] = Latest(None)
        self._status = Latest(
            SourceStatus(source=lineage.source, url=f"bitcoind+{rpc.url}", state=SourceState.DOWN)
        )
        self._made: dict[JobId, tuple[Template, Job]] = {}
        self._tips: tuple[bytes, ...] = ()  # prev_hash of the last two, newest first
        self._template: Template | None = None
        self._parent_time: tuple[bytes, int] = (b"", 0)
        self._pace: Pace | None = None
        self._wake = asyncio.Event()
        self._good_at = 0.0
        self._seen = ""

    @property
    def jobs(self) -> Latest[Job | None]:
        """The newest job; `None` while there is no usable node."""
        return self._jobs

    @property
    def status(self) -> Latest[SourceStatus]:
        """How the node is doing."""
        return self._status

    async def run(self) -> None:
        """Mine on the node until cancelled.

        Raises:
            UpstreamError: the node is gone, refuses us, or is not one to mine on. Blocks
                without a verdict are in the journal.
        """
        detail = ""
        self._tell(
            state=SourceState.CONNECTING, detail="", connects=self._status.get().connects + 1
        )
        try:
            await self._work()
        except UpstreamError as error:
            detail = str(error)
            raise
        finally:
            self._jobs.set(None)
            self._tell(state=SourceState.DOWN, detail=detail)
            await self._rpc.close()

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a block to the node, if the share is one.

        Blocks of the last two tips' jobs are taken, whether or not their job is dead. The
        verdict is `PENDING` when the block is left to the journal.

        Args:
            share: an answer to one of our jobs.
            worker: not used: the node knows no workers.
            done: called once with the verdict.
        """
        del worker
        made = self._made.get(share.job_id)
        if made is None:
            done(Verdict(reason=Reason.UNKNOWN_JOB))
            return
        template, job = made
        if len(share.extranonce) != job.extranonce_size:
            done(Verdict(reason=Reason.BAD_EXTRANONCE))
        elif proof_of(job, share) > job.block_target:
            done(Verdict(reason=Reason.LOW_DIFFICULTY))
        else:
            raw = assemble_block(template, job, share)
            block = FoundBlock(
                source=job.source, height=template.height, hash=sha256d(raw[:80]), raw=raw
            )
            self._delivery.give(block, done)

    async def _work(self) -> None:
        chain = await inspect_chain(
            self._rpc, source=self._lineage.source, allow_mainnet=self._options.allow_mainnet
        )
        script = self._payout_script(chain.network)
        self._tell(network=chain.network.value, height=chain.height + 1)
        self._good_at = self._clock()
        watch = TipWatch(
            self._rpc,
            long_poll=lambda: self._long_poll(chain),
            saw=self._saw_tip,
            poll_seconds=self._options.poll_seconds,
        )
        _log.info(
            "node_ready",
            source=self._lineage.source,
            network=chain.network.label,
            height=chain.height,
        )
        await run_together(
            self._delivery.run(),
            self._follow(chain, script),
            watch.poll(),
            self._wait_for_tips(watch),
        )

    async def _wait_for_tips(self, watch: TipWatch) -> None:
        """Wait for blocks once there is work: a run that fails at once leaves no call behind."""
        while self._jobs.get() is None:
            await self._jobs.wait_newer(self._jobs.serial)
        await watch.wait()

    def _payout_script(self, network: Network) -> bytes:
        try:
            return script_from_address(self._options.address, network)
        except AddressError as error:
            raise BadUpstreamError(
                f"{self._lineage.source}: the payout address cannot be used: {error}"
            ) from error

    async def _follow(self, chain: Chain, script: bytes) -> None:
        """Make a job, and a new one whenever there is a reason to."""
        while True:
            self._wake.clear()
            await self._refresh(chain, script)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds()):
                    await self._wake.wait()
            if self._pace is not None and self._pace.on_silence(self._clock()):
                _log.debug("pace_eased", source=self._lineage.source)

    def _pause_seconds(self) -> float:
        if self._status.get().state is SourceState.DEGRADED:
            return self._options.trouble_seconds
        pause = self._options.refresh_seconds
        if self._pace is not None:
            pause = min(pause, self._pace.step_at - self._clock())
        return max(min(pause, self._easy_in_seconds()), 0.0)

    def _easy_in_seconds(self) -> float:
        """Count the time, by the node's clock, until the testnets' blocks may be easy."""
        tip, parent_time = self._parent_time
        template = self._template
        if template is None or template.prev_hash != tip:
            return float("inf")
        left = parent_time + _EASY_AFTER_SECONDS - template.curtime
        return left - (self._clock() - self._good_at) if left > 0 else float("inf")

    async def _refresh(self, chain: Chain, script: bytes) -> None:
        """Fetch a template and publish its job; a wrong one leaves the last job in place."""
        try:
            template = await self._fetch(chain)
            self._publish(template, chain, script)
        except (ChainError, RpcError) as error:
            self._endure(str(error))

    def _endure(self, what: str) -> None:
        """Work on with the last job for a while.

        Raises:
            BadUpstreamError: there is none, or it has been long enough.
        """
        detail = f"{self._lineage.source}: {what}"
        lasted = self._clock() - self._good_at
        if self._jobs.get() is None or lasted > self._options.hold_seconds:
            raise BadUpstreamError(detail)
        if self._status.get().detail != detail:
            _log.warning("template_not_usable", source=self._lineage.source, error=what)
        self._tell(state=SourceState.DEGRADED, detail=detail)

    async def _fetch(self, chain: Chain) -> Template:
        asked_at = self._clock()
        answer = await self._rpc.call("getblocktemplate", _request(chain))
        self._tell(answer_seconds=self._clock() - asked_at)
        if not isinstance(answer, Mapping):
            raise BadUpstreamError(f"{self._lineage.source}: getblocktemplate is no object")
        template = self._share_transactions(parse_template(answer))
        if not chain.network.allows_easy_blocks:
            return template
        return template.bounded_by_parent(await self._time_of(template.prev_hash))

    def _share_transactions(self, template: Template) -> Template:
        """Keep one copy of a transaction for all templates: they differ by a few."""
        if self._template is None:
            return template
        known: dict[bytes, TemplateTx] = {tx.wtxid: tx for tx in self._template.transactions}
        return replace(
            template, transactions=tuple(known.get(tx.wtxid, tx) for tx in template.transactions)
        )

    async def _time_of(self, block_hash: bytes) -> int:
        if self._parent_time[0] != block_hash:
            header = await self._rpc.call("getblockheader", hash_to_hex(block_hash))
            if not isinstance(header, Mapping) or not isinstance(header.get("time"), int):
                raise BadUpstreamError(f"{self._lineage.source}: getblockheader has no time")
            self._parent_time = (block_hash, header["time"])
        return self._parent_time[1]

    def _publish(self, template: Template, chain: Chain, script: bytes) -> None:
        self._advance(template)
        job = make_job(
            template,
            lineage=self._lineage,
            outputs=(Output(value=template.value, script=script),),
            extranonce_size=self._options.extranonce_size,
            tag=self._options.tag.encode(),
            version_mask=self._options.version_mask,
            block_target=self._block_target(template, chain),
        )
        self._template, self._good_at = template, self._clock()
        self._tell(state=SourceState.ACTIVE, detail="", height=template.height)
        last = self._jobs.get()
        if last is None or replace(job, id=last.id) != last:
            self._made[job.id] = (template, job)
            difficulty = float(difficulty_from_target(job.target))
            self._tell(job_at=self._clock(), difficulty=difficulty)
            self._jobs.set(job)

    def _advance(self, template: Template) -> None:
        """Tell readers by the serials what a new template means for earlier jobs."""
        if template.prev_hash not in self._tips[:1]:
            if self._tips:
                self._lineage.end()
            self._tips = (template.prev_hash, *self._tips)[:2]
            self._made = {
                id: made for id, made in self._made.items() if made[1].prev_hash in self._tips
            }
            self._tell(generation=self._lineage.generation)
        elif self._template is not None and template.nbits != self._template.nbits:
            self._lineage.switch()  # the testnets' easy time began, or is over

    def _block_target(self, template: Template, chain: Chain) -> Target | None:
        seconds = self._options.pace_seconds
        if seconds is None:
            private = chain.private or template.signet_challenge is not None
            seconds = DEFAULT_PACE_SECONDS if private else 0.0
        if self._pace is None and seconds > 0:
            self._pace = Pace(seconds, now=self._clock(), easiest_work=self._options.easiest_work)
        return None if self._pace is None else self._pace.target(template.target)

    def _long_poll(self, chain: Chain) -> dict[str, object] | None:
        template = self._template
        if template is None or not template.longpoll_id:
            return None
        return {**_request(chain), "longpollid": template.longpoll_id}

    def _saw_tip(self, tip: str) -> None:
        if self._template is None or tip != hash_to_hex(self._template.prev_hash):
            self._wake.set()

    def _on_verdict(self, block: FoundBlock, verdict: Verdict) -> None:
        del block
        if verdict.reason is Reason.ACCEPTED and self._pace is not None:
            self._pace.on_block(self._clock())
        self._wake.set()

    def _tell(self, **changes: object) -> None:
        self._status.set(replace(self._status.get(), **changes))  # type: ignore[arg-type]


def _request(chain: Chain) -> dict[str, object]:
    rules = ["segwit", "signet"] if chain.network is Network.SIGNET else ["segwit"]
    return {"rules": rules, "capabilities": ["coinbasevalue", "longpoll"]}
