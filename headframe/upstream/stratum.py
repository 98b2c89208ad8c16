"""`StratumSource`: a pool, over TCP or TLS.

One `run` is one connection, or a few when the pool sends us elsewhere. Coming
back after it ended is the owner's business.
"""

import asyncio
import math
import ssl
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from headframe.chain.job import Job, Lineage, SplitCoinbase
from headframe.chain.share import Reason, Share, Verdict
from headframe.chain.target import difficulty_from_target, target_from_nbits
from headframe.runtime.clock import monotonic, wall_seconds
from headframe.runtime.errors import DialError
from headframe.runtime.latest import Latest
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import Histogram
from headframe.runtime.tunnel import Tunnel
from headframe.runtime.wire import dial
from headframe.runtime.wirelog import WireLog
from headframe.stratum.events import NewJob, Ready, Redirected
from headframe.stratum.sv1.client import ClientConnection, ClientOptions
from headframe.upstream.base import (
    ANSWER_BOUNDS,
    BadUpstreamError,
    Done,
    RefusedError,
    SourceState,
    SourceStatus,
    UnreachableError,
    UpstreamError,
)
from headframe.upstream.candidates import KEPT, Candidates
from headframe.upstream.connection import PoolConnection
from headframe.upstream.endpoint import Endpoint
from headframe.upstream.redirect import Reconnect, why_not_followed
from headframe.upstream.watch import Limits

__all__ = ["MAINNET_DIFFICULTY", "StratumOptions", "StratumSource"]

_log = get_logger(__name__)

MAINNET_DIFFICULTY: Final = 10**12
"""Only mainnet's blocks are harder than this."""
_LONGEST_WAIT_SECONDS: Final = 60.0
"""A pool that asks us to stay away longer is tried again after this."""
_REDIRECTS: Final = 5
"""Times in a row that a pool may send us elsewhere."""
_LASTING_SECONDS: Final = 60.0
"""A connection that lasted so long ends such a row."""
_AMOUNT_BYTES: Final = 8
"""Of an output's amount, ahead of its script."""
_TELL_ANSWER_SECONDS: Final = 1.0
"""A fast miner's answers come by the hundred, and whoever reads the status is woken by each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumOptions:
    """How to use a pool.

    Attributes:
        endpoint: where it is.
        tls: what to trust; `None` for a connection without TLS.
        client: what to tell it.
        allow_mainnet: work for mainnet, too.
        limits: how long to wait for what.
        reconnect: how far the pool may send us.
        tunnel: a proxy to connect through.
        expects: an address that the pool's blocks must pay, and its script; `None`: any.
    """

    endpoint: Endpoint
    tls: ssl.SSLContext | None
    client: ClientOptions
    allow_mainnet: bool = False
    limits: Limits = field(default_factory=Limits)
    reconnect: Reconnect = Reconnect.SAME_HOST
    tunnel: Tunnel | None = None
    expects: tuple[str, bytes] | None = None


class StratumSource:
    """A `JobSource` on one pool.

    Args:
        options: which pool, and how.
        lineage: names the source and gives the serials.
        candidates: keeps shares that are blocks and cannot be sent; `None`: they are lost.
        wire_log: where what is said and heard is written down, if it is.
    """

    def __init__(
        self,
        options: StratumOptions,
        *,
        lineage: Lineage,
        candidates: Candidates | None = None,
        wire_log: WireLog | None = None,
    ) -> None:
        self._options = options
        self._lineage = lineage
        self._candidates = candidates
        self._wire_log = wire_log
        self._ours_from = 0  # jobs of the present connection have this generation at least
        self._jobs: Latest[Job | None] = Latest(None)
        self._answers = Histogram(ANSWER_BOUNDS)
        self._status = Latest(
            SourceStatus(
                source=lineage.source,
                url=options.endpoint.url,
                state=SourceState.DOWN,
                answers=self._answers,
                user=options.client.user,
            )
        )
        self._answer_told = -math.inf
        self._connection: PoolConnection | None = None
        self._session = ""  # what the pool wants to hear when we come back

    @property
    def jobs(self) -> Latest[Job | None]:
        """The newest job; `None` while there is no connection."""
        return self._jobs

    @property
    def status(self) -> Latest[SourceStatus]:
        """How the pool is doing."""
        return self._status

    def submit(self, share: Share, worker: str | None, done: Done) -> None:
        """Send a share to the pool.

        Args:
            share: an answer to a job of the present connection; others are `STALE`.
            worker: the name it shall count for; `None` for ours.
            done: called once; with `LOST` when there is no connection, or it ends first;
                with `PENDING` if the share is a block, and waits for the pool's return.
        """
        answered = partial(self._answered, share, worker, done)
        if self._connection is None:
            answered(Verdict(reason=Reason.LOST, detail="there is no connection to the pool"))
        elif not self._is_of_before(share) or not self._keep(share, worker):
            self._connection.submit(share, worker, answered)
        else:
            done(KEPT)
            self._send_kept(self._jobs.get())

    def _is_of_before(self, share: Share) -> bool:
        """Tell whether its job is one of an earlier connection, so that it cannot be sent."""
        if self._candidates is None:
            return False
        generation = self._candidates.generation_of(share.job_id)
        return generation is not None and generation < self._ours_from

    def _keep(self, share: Share, worker: str | None) -> bool:
        return self._candidates is not None and self._candidates.keep(share, worker)

    def _send_kept(self, job: Job | None) -> None:
        """Send what waits for the pool to offer this very work."""
        if self._candidates is None or self._connection is None or job is None:
            return
        for candidate in self._candidates.due(job):
            answered = partial(self._candidates.answered, candidate)
            self._connection.submit(candidate.share, candidate.worker, answered)

    def _answered(self, share: Share, worker: str | None, done: Done, verdict: Verdict) -> None:
        now = monotonic()
        if self._connection is not None and now - self._answer_told >= _TELL_ANSWER_SECONDS:
            self._answer_told = now
            self._tell(answer_seconds=self._connection.answer_seconds)
        lost = verdict.reason is Reason.LOST
        done(KEPT if lost and self._keep(share, worker) else verdict)

    async def run(self) -> None:
        """Stay connected to the pool until cancelled.

        Raises:
            UpstreamError: the pool cannot be reached, refuses us, makes no sense, fell
                silent, or works for mainnet without leave. Pending shares are `LOST`.
        """
        detail = ""
        try:
            await self._follow_redirects()
        except RefusedError as error:
            self._session = ""  # perhaps it was this that the pool did not like
            detail = str(error)
            raise
        except UpstreamError as error:
            detail = str(error)
            raise
        finally:
            self._tell(state=SourceState.DOWN, detail=detail)

    async def _follow_redirects(self) -> None:
        time = asyncio.get_running_loop().time
        here = self._options.endpoint
        in_vain = 0
        while in_vain < _REDIRECTS:
            began = time()
            redirect = await self._stay_connected(here)
            in_vain = in_vain + 1 if time() - began < _LASTING_SECONDS else 1
            wait = min(max(redirect.wait_seconds, 0.0), _LONGEST_WAIT_SECONDS)
            here = replace(
                here, host=redirect.host.strip("[]") or here.host, port=redirect.port or here.port
            )
            self._tell(redirects=self._status.get().redirects + 1, url=here.url)
            _log.warning(
                "pool_redirects", source=self._lineage.source, to=here.place, wait_seconds=wait
            )
            await asyncio.sleep(wait)
        raise UnreachableError(
            f"{self._lineage.source} sent us elsewhere {_REDIRECTS} times in a row"
        )

    async def _stay_connected(self, here: Endpoint) -> Redirected:
        """Work on one connection until the pool wants us elsewhere."""
        connection = await self._connect(here)
        self._connection = connection
        try:
            return await connection.wait_over()
        finally:
            # Before anything waits: a cancellation in the farewell must not leave a job behind.
            self._connection = None
            self._lineage.end()  # its jobs are worthless on any other connection
            self._tell(generation=self._lineage.generation)
            self._jobs.set(None)
            await connection.hang_up()

    async def _connect(self, here: Endpoint) -> PoolConnection:
        options = self._options
        self._tell(
            state=SourceState.CONNECTING,
            detail="",
            url=here.url,
            connects=self._status.get().connects + 1,
        )
        self._ours_from = self._lineage.generation
        core = ClientConnection(
            replace(options.client, session=self._session), lineage=self._lineage
        )
        connection = PoolConnection(
            core,
            options.limits,
            name=self._lineage.source,
            follow=self._follow,
            act=self._act,
            blame=self._blame,
            answers=self._answers,
        )
        if self._wire_log is not None:
            connection.wire.record(self._wire_log, self._lineage.source)
        try:
            await dial(
                here.host,
                here.port,
                lambda: connection.wire,
                tls=options.tls,
                tunnel=options.tunnel,
                timeout_seconds=options.limits.dial_seconds,
            )
        except DialError as error:
            name, text = self._lineage.source, str(error)
            raise UnreachableError(text if text.startswith(name) else f"{name}: {text}") from error
        until = connection.wire.certificate_until
        if until != self._status.get().certificate_until:  # nobody is woken for nothing
            self._tell(certificate_until=until)
        return connection

    def _follow(self, redirect: Redirected) -> str:
        options = self._options
        return why_not_followed(redirect, host=options.endpoint.host, policy=options.reconnect)

    def _blame(self) -> None:
        self._tell(faults=self._status.get().faults + 1)

    def _act(self, event: Ready | NewJob) -> None:
        if isinstance(event, Ready):
            self._session = event.session
            _log.info(
                "pool_ready",
                source=self._lineage.source,
                extranonce_size=event.extranonce_size,
                version_mask=f"{event.version_mask:08x}",
            )
            return
        job = replace(event.job, received_at=monotonic())
        self._ensure_allowed(job)
        self._tell(
            state=SourceState.ACTIVE,
            pays_expected=self._look_for_payout(job),
            generation=job.generation,
            height=job.height,
            job_at=job.received_at,
            difficulty=float(difficulty_from_target(job.target)),
            clock_skew_seconds=float(job.ntime - wall_seconds()),
        )
        self._jobs.set(job)
        if self._candidates is not None:
            self._candidates.remember(job)
        self._send_kept(job)

    def _look_for_payout(self, job: Job) -> bool | None:
        """Say whether a job pays whom it must; warn when it does no more, tell when it does."""
        if self._options.expects is None:
            return None
        address, script = self._options.expects
        pays = _pays(job, script)
        before = self._status.get().pays_expected
        if not pays and before is not False:
            _log.warning(
                "payout_missing", source=self._lineage.source, address=address, job_id=job.id
            )
        elif pays and before is False:
            _log.info("payout_back", source=self._lineage.source, address=address)
        return pays

    def _ensure_allowed(self, job: Job) -> None:
        if self._options.allow_mainnet:
            return
        try:
            difficulty = difficulty_from_target(target_from_nbits(job.nbits))
        except ValueError as error:
            raise BadUpstreamError(
                f"{self._lineage.source} sent a job that cannot be: {error}"
            ) from None
        if difficulty > MAINNET_DIFFICULTY:
            raise BadUpstreamError(
                f"{self._lineage.source} works on mainnet (network difficulty "
                f"{float(difficulty):.3g}), which is refused unless allow_mainnet is set: use a "
                "pool on regtest, testnet4 or signet"
            )

    def _tell(self, **changes: object) -> None:
        self._status.set(replace(self._status.get(), **changes))  # type: ignore[arg-type]


def _pays(job: Job, script: bytes) -> bool:
    """Say whether an output of a job's coinbase pays a script more than nothing.

    Outputs stand after the free bytes: 8 bytes of amount, the script's length, the script.
    """
    if not isinstance(job.commitment, SplitCoinbase):
        return False
    suffix, wanted = job.commitment.suffix, bytes((len(script),)) + script
    at = suffix.find(wanted)
    while at >= 0:
        if at >= _AMOUNT_BYTES and any(suffix[at - _AMOUNT_BYTES : at]):
            return True
        at = suffix.find(wanted, at + 1)
    return False
