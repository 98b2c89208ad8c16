"""`GbtSource`: solo mining on a node, by `getblocktemplate` and `submitblock`.

A template becomes a job whose every share is a block. The job is made anew when the tip
changes, every half minute or when fees have risen, when the pace moves, and on the testnets
when the 20 minutes are over after which a block may be easy. Of a new tip we hear in several
ways at once (ZMQ, a waiting call, a poll, hints); one template is fetched.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from headframe.chain.errors import ChainError
from headframe.chain.hashes import hash_to_hex
from headframe.chain.job import Job, Lineage
from headframe.chain.share import Reason, Share, Verdict, proof_of
from headframe.chain.target import Target, difficulty_from_target
from headframe.chain.template import Template
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.upstream.base import (
    BadUpstreamError,
    Done,
    SourceState,
    SourceStatus,
    UpstreamError,
)
from headframe.upstream.circle import Circle
from headframe.upstream.dispatch import Dispatch
from headframe.upstream.fees import FeeWatch
from headframe.upstream.gbt_options import DEFAULT_PACE_SECONDS, GbtOptions
from headframe.upstream.health import Health
from headframe.upstream.jobs import TemplateJobs
from headframe.upstream.journal import FoundBlock
from headframe.upstream.node import NodeRpc, RpcError
from headframe.upstream.pace import Pace
from headframe.upstream.payees import Payee, Payees, find_payees
from headframe.upstream.preflight import Chain
from headframe.upstream.shelf import Shelf
from headframe.upstream.tasks import run_together
from headframe.upstream.templates import Templates
from headframe.upstream.tip import TipWatch

__all__ = ["GbtSource"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What is known of the node from one connection to its end."""

    chain: Chain
    payees: Payees
    templates: Templates
    fees: FeeWatch


class GbtSource:
    """A `JobSource` on one node.

    Args:
        options: what to mine.
        rpc: the node; closed when `run` ends.
        lineage: names the source and gives the serials.
        delivery: takes found blocks to the nodes, whichever source runs.
        clock: monotonic seconds, for the pace.
        circle: the other nodes of this process.
    """

    def __init__(
        self,
        options: GbtOptions,
        *,
        rpc: NodeRpc,
        lineage: Lineage,
        delivery: Dispatch,
        clock: Callable[[], float] = monotonic,
        circle: Circle | None = None,
    ) -> None:
        self._circle = circle or Circle()
        self._health = Health(
            rpc, self._circle, source=lineage.source, allow_mainnet=options.allow_mainnet
        )
        self._options = options
        self._rpc = rpc
        self._lineage = lineage
        self._clock = clock
        self._delivery = delivery
        self._shelf = Shelf(delivery.bodies)
        self._jobs: Latest[Job | None] = Latest(None)
        self._status = Latest(
            SourceStatus(source=lineage.source, url=f"bitcoind+{rpc.url}", state=SourceState.DOWN)
        )
        self._made = TemplateJobs(options, lineage)
        self._template: Template | None = None
        self._pace: Pace | None = None
        self._unjudged = 0  # blocks that the nodes are asked about
        self._wake = asyncio.Event()
        self._due = False
        self._newest = ""  # best block as last heard of, display hex
        self._awaited = ""  # the same, while its template is wanted
        self._good_at = 0.0
        self._busy_until = 0.0  # by the loop's clock, with a call of the run before

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
            self._delivery.put_off(self._lineage.source)
            await self._rpc.close()

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a block to the node, if the share is one.

        Blocks of the last tips' jobs are taken, whether or not their job is dead. The verdict
        is `PENDING` when the block is left to the journal.

        Args:
            share: an answer to one of our jobs.
            worker: not used: the node knows no workers.
            done: called once with the verdict.
        """
        del worker
        made = self._made.find(share.job_id)
        if made is None:
            done(Verdict(reason=Reason.UNKNOWN_JOB))
            return
        template, job = made
        if len(share.extranonce) != job.extranonce_size:
            done(Verdict(reason=Reason.BAD_EXTRANONCE))
        elif proof_of(job, share) > job.block_target:
            done(Verdict(reason=Reason.LOW_DIFFICULTY))
        else:
            block = self._shelf.block_of(template, job, share)
            self._unjudged += 1
            self._delivery.give(block, partial(self._on_verdict, block, done))

    def paying(self, job: Job, payee: Payee) -> Job | None:
        """Make a job that differs from one of ours in who is paid; see `Payer.paying`."""
        return self._made.paying(job, payee)

    async def _work(self) -> None:
        options, name = self._options, self._lineage.source
        chain = await self._health.admit()
        payees = find_payees(options.address, options.shares, chain.network, source=name)
        self._tell(network=chain.network.value, height=chain.height + 1)
        self._good_at = self._clock()
        self._newest, self._awaited = chain.tip, ""
        run = _Run(
            chain=chain,
            payees=payees,
            templates=Templates(
                self._rpc,
                chain,
                source=name,
                clock=self._clock,
                wall=wall_seconds,
                path=options.path,
            ),
            fees=FeeWatch(
                self._rpc,
                percent=options.fee_gain_percent,
                rose=self._ask_again,
                look_seconds=options.fee_look_seconds,
            ),
        )
        watch = TipWatch(
            self._rpc,
            long_poll=run.templates.long_poll,
            saw=self._saw_tip,
            source=name,
            poll_seconds=options.poll_seconds,
        )
        _log.info("node_ready", source=name, network=chain.network.label, height=chain.height)
        try:
            with self._circle.hearing(watch.nudge):
                await self._run_all(run, watch)
        finally:
            self._busy_until = watch.busy_until

    async def _run_all(self, run: _Run, watch: TipWatch) -> None:
        await run_together(
            self._follow(run),
            watch.poll(),
            self._wait_for_tips(watch),
            watch.hear(self._options.zmq),
            self._health.run(),
            self._shelf.run(),
            *([run.fees.run()] if self._options.fee_gain_percent else []),
        )

    async def _wait_for_tips(self, watch: TipWatch) -> None:
        """Wait for blocks once there is work: a run that fails at once leaves no call behind."""
        while self._jobs.get() is None:
            await self._jobs.wait_newer(self._jobs.serial)
        # The node may not have noticed yet that the call of an earlier run has no client.
        await asyncio.sleep(max(self._busy_until - asyncio.get_running_loop().time(), 0.0))
        await watch.wait()

    async def _follow(self, run: _Run) -> None:
        """Make a job, and a new one whenever there is a reason to."""
        while True:
            self._due, answered = False, self._awaited
            await self._refresh(run)
            if self._awaited == answered:
                self._awaited = ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds(run)):
                    while not self._is_wanted():
                        self._wake.clear()
                        await self._wake.wait()
            if self._pace is not None:
                self._pace.on_silence(self._clock(), waiting=self._unjudged > 0)

    def _is_wanted(self) -> bool:
        """Whether a template must be fetched: of all who tell of a tip the first one counts."""
        return self._due or (self._awaited != "" and not self._is_ours(self._awaited))

    def _is_ours(self, tip: str) -> bool:
        return self._template is not None and tip == hash_to_hex(self._template.prev_hash)

    def _pause_seconds(self, run: _Run) -> float:
        if self._status.get().state is SourceState.DEGRADED:
            return self._options.trouble_seconds
        pause = self._options.refresh_seconds
        if self._pace is not None:
            pause = min(pause, self._pace.step_at - self._clock())
        return max(min(pause, run.templates.easy_in_seconds()), 0.0)

    async def _refresh(self, run: _Run) -> None:
        """Fetch a template and publish its job; a wrong one leaves the last job in place."""
        tip = self._awaited
        came = asyncio.Event()
        try:
            if tip and not self._is_ours(tip) and self._options.empty_after_seconds > 0:
                await run_together(self._bridge(run, tip, came), self._fetch(run, came))
            else:
                await self._fetch(run, came)
        except (ChainError, RpcError) as error:
            self._endure(str(error))

    async def _fetch(self, run: _Run, came: asyncio.Event) -> None:
        """Get a template and publish its job, on a new tip before all of it is checked."""
        template = await run.templates.fetch(self._newest)
        came.set()
        run.fees.note(template.value)
        if self._made.is_newest(template.prev_hash):
            self._publish(await run.templates.check(template), run)
            return
        self._publish(template, run)
        try:
            checked = await run.templates.check(template, in_vain=self._is_wanted)
        except ChainError:
            self._withdraw()
            raise
        self._made.settle(template, checked)
        self._template = checked
        self._shelf.put(checked)

    def _withdraw(self) -> None:
        """Take a job back whose blocks would be refused."""
        self._lineage.end()
        self._made.clear()
        self._jobs.set(None)

    async def _bridge(self, run: _Run, tip: str, came: asyncio.Event) -> None:
        """Publish an empty block's job if a new tip's template is long in coming.

        The header is asked for at once: a node that makes a template answers nothing else.
        """
        deadline = asyncio.get_running_loop().time() + self._options.empty_after_seconds
        try:
            template = await run.templates.stopgap(tip)
        except (ChainError, UpstreamError) as error:  # `fetch` decides what it means
            _log.debug("no_empty_job", source=self._lineage.source, error=str(error))
            return
        try:
            async with asyncio.timeout_at(deadline):
                await came.wait()
        except TimeoutError:
            if template is not None:
                _log.info("empty_job", source=self._lineage.source, height=template.height)
                self._publish(template, run)

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

    def _publish(self, template: Template, run: _Run) -> None:
        self._advance(template)
        job = self._made.make(template, run.payees, self._block_target(template, run.chain))
        self._template, self._good_at = template, self._clock()
        self._tell(
            state=SourceState.ACTIVE,
            detail="",
            height=template.height,
            answer_seconds=run.templates.answer_seconds,
            answers=run.templates.answers,
        )
        last = self._jobs.get()
        if last is None or replace(job, id=last.id) != last:
            job = replace(job, received_at=self._clock())
            self._made.keep(job, template, run.payees, run.chain.network)
            difficulty = float(difficulty_from_target(job.target))
            skew = float(template.curtime - wall_seconds())
            self._tell(job_at=job.received_at, difficulty=difficulty, clock_skew_seconds=skew)
            self._jobs.set(job)
            self._shelf.put(template)

    def _advance(self, template: Template) -> None:
        """Tell readers by the serials what a new template means for earlier jobs."""
        if not self._made.is_newest(template.prev_hash):
            if self._made.has_tip:
                self._lineage.end()
            self._made.follow(template.prev_hash)
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

    def _saw_tip(self, tip: str) -> None:
        """Take note of the best block, whoever told of it."""
        self._newest = tip
        if tip != self._awaited and not self._is_ours(tip):
            self._awaited = tip
            self._wake.set()

    def _ask_again(self) -> None:
        """Fetch a template, though the tip is the same."""
        self._due = True
        self._wake.set()

    def _on_verdict(self, block: FoundBlock, done: Done, verdict: Verdict) -> None:
        done(verdict)
        self._unjudged -= 1
        if verdict.reason is Reason.PENDING:
            return  # nobody runs any more
        accepted = verdict.reason is Reason.ACCEPTED
        if accepted and self._pace is not None:
            self._pace.on_block(self._clock())
        if accepted and self._pace is None and not verdict.detail:
            self._saw_tip(hash_to_hex(block.hash))
        else:
            self._ask_again()

    def _tell(self, **changes: object) -> None:
        self._status.set(replace(self._status.get(), **changes))  # type: ignore[arg-type]
