"""`Templates`: asks one node for what is to be mined, and does not believe all of it.

`chain.template` checks that a template agrees with itself; here it is compared with what
we know beside it: the newest tip, the parent's header, and the time. That thousands of
transactions are what they are called is checked apart, so that a job may go out before.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from headframe.chain.errors import TemplateError
from headframe.chain.hashes import hash_from_hex, hash_to_hex
from headframe.chain.merkle import PathMaker, first_leaf_path
from headframe.chain.network import Network
from headframe.chain.offer import TemplateTx, check_offer
from headframe.chain.stopgap import TipHeader, parse_tip, stopgap
from headframe.chain.template import (
    EASY_AFTER_SECONDS,
    Template,
    skim_template,
)
from headframe.runtime.logs import get_logger
from headframe.runtime.metrics import Histogram
from headframe.upstream.base import ANSWER_BOUNDS, BadUpstreamError
from headframe.upstream.node import NodeRpc, Shape
from headframe.upstream.preflight import Chain

__all__ = ["Templates"]

_log = get_logger(__name__)

_TRIES: Final = 3
"""How often a template on an old tip is asked for again: tips change while we ask."""
_EASY_STEP_SECONDS: Final = 0.1
"""Between two looks at whether a node's clock has come to the easy time."""
_AT_ONCE: Final = 1000
"""Transactions that are looked at without a pause: a third of a millisecond."""
_HASHING: Final = 10
"""As many as could be looked at while one is hashed."""
_BEFORE_CHECKS_SECONDS: Final = 0.03
_BETWEEN_CHECKS_SECONDS: Final = 0.002
"""Rigs are being given the job at that time."""
_ANSWER: Final = Shape(dict[str, str | int | bool | list[TemplateTx | str] | dict[str, Any] | None])
"""The transactions come ready to use; what else they have, such as `depends`, is not read."""
_MAX_AHEAD_SECONDS: Final = 7200
"""Nodes refuse a block whose time is further ahead of their clock (consensus)."""


class Templates:
    """The templates of one node, for as long as it is in use.

    Args:
        rpc: the node.
        chain: what `inspect_chain` found.
        source: name of the node, for messages.
        clock: monotonic seconds.
        wall: this machine's time, in seconds since 1970.
        path: how merkle paths are made.
    """

    def __init__(
        self,
        rpc: NodeRpc,
        chain: Chain,
        *,
        source: str,
        clock: Callable[[], float],
        wall: Callable[[], int],
        path: PathMaker = first_leaf_path,
    ) -> None:
        self._rpc = rpc
        self._chain = chain
        self._source = source
        self._clock = clock
        self._wall = wall
        self._path = path
        self._last: Template | None = None
        self._last_at = 0.0
        self._header: TipHeader | None = None
        self._told_fees_alone = False
        self._checked: dict[str, TemplateTx] = {}  # of the last template, by hash
        self.answer_seconds: float | None = None
        """How long the node took for the last template that it gave when asked."""
        self.answers = Histogram(ANSWER_BOUNDS)
        """How long it took for each."""

    async def fetch(self, newest: str) -> Template:
        """Get a template on the best block; `check` it, soon.

        Args:
            newest: the best block as far as it was heard of, display hex; "" if not at all.

        Raises:
            TemplateError: it makes no sense, builds on a block that is not the best one, or
                has a time that no node would accept.
            UpstreamError: the node could not be asked.
        """
        for _ in range(_TRIES):
            template = await self._ask()
            prev = hash_to_hex(template.prev_hash)
            if newest in ("", prev):
                break
            newest = str(await self._rpc.call("getbestblockhash"))
            if newest == prev:
                break
        else:
            raise TemplateError(
                f"template: it builds on {prev}, and the node's best block is {newest}"
            )
        if self._chain.network.allows_easy_blocks:
            header = await self._header_of(template.prev_hash)
            template = template.bounded_by_parent(header.time)
        self._last, self._last_at = template, self._clock()
        self._note_subsidy(template.height)
        return template

    async def check(
        self, template: Template, *, in_vain: Callable[[], bool] = lambda: False
    ) -> Template:
        """Hash the transactions of a template that are new, a few at a time.

        Args:
            template: from `fetch`.
            in_vain: asked now and then whether the template is out of use by now.

        Returns:
            The same template, to be kept in place of it: transactions that the one before had
            too are in memory once.

        Raises:
            TemplateError: one of them is not what it is called.
        """
        kept: list[TemplateTx] = []
        spent = _AT_ONCE
        for tx in template.transactions:
            if spent >= _AT_ONCE:
                await asyncio.sleep(_BETWEEN_CHECKS_SECONDS if kept else _BEFORE_CHECKS_SECONDS)
                if in_vain():
                    return template
                spent = 0
            earlier = self._checked.get(tx.hash)
            if earlier is not None and earlier == tx:
                kept.append(earlier)
                spent += 1
            else:
                check_offer(len(kept), tx)
                kept.append(tx)
                spent += _HASHING
        self._checked = {tx.hash: tx for tx in kept}
        return replace(template, transactions=tuple(kept))

    async def stopgap(self, tip: str) -> Template | None:
        """Make a template without transactions on a tip, from its header alone.

        Args:
            tip: the new best block, display hex.

        Returns:
            The template; `None` if there was none before this, or the bits of the next
            block are not certain.

        Raises:
            TemplateError: the header makes no sense.
            UpstreamError: the node could not be asked.
        """
        if self._last is None:
            return None
        header = await self._header_of(hash_from_hex(tip))
        return stopgap(self._last, header, self._chain.network, now=self._node_time())

    def long_poll(self) -> dict[str, object] | None:
        """Make the argument of a `getblocktemplate` that waits for something newer."""
        if self._last is None or not self._last.longpoll_id:
            return None
        return {**_request(self._chain), "longpollid": self._last.longpoll_id}

    def easy_in_seconds(self) -> float:
        """Count the time, by the node's clock, until the testnets' blocks may be easy."""
        template, header = self._last, self._header
        if template is None or header is None or template.prev_hash != header.hash:
            return float("inf")
        left = header.time + EASY_AFTER_SECONDS + 1 - template.curtime
        if left <= 0 or not self._chain.network.allows_easy_blocks:
            return float("inf")
        return max(left - (self._clock() - self._last_at), _EASY_STEP_SECONDS)

    def _node_time(self) -> int:
        """The node's clock, as far as we know it: from its last template on."""
        assert self._last is not None  # noqa: S101 # asked only when there is one
        return self._last.curtime + int(self._clock() - self._last_at)

    def _note_subsidy(self, height: int) -> None:
        if self._told_fees_alone or self._chain.network.subsidy(height):
            return
        self._told_fees_alone = True
        _log.info(
            "subsidy_over",
            source=self._source,
            height=height,
            consequence="blocks create no coins any more: they pay the fees alone",
        )

    async def _ask(self) -> Template:
        asked_at = self._clock()
        answer = await self._rpc.call("getblocktemplate", _request(self._chain), shape=_ANSWER)
        self.answer_seconds = self._clock() - asked_at
        self.answers.observe(self.answer_seconds)
        if not isinstance(answer, Mapping):
            raise BadUpstreamError(f"{self._source}: getblocktemplate is no object")
        template = skim_template(answer, self._path)
        ahead = template.curtime - self._wall()
        if ahead > _MAX_AHEAD_SECONDS:
            raise TemplateError(
                f"template: its time is {ahead} s ahead of this machine's clock, and nodes refuse "
                f"blocks that are more than {_MAX_AHEAD_SECONDS} s ahead: set the clock of the "
                "node's machine, or of this one"
            )
        return template

    async def _header_of(self, block_hash: bytes) -> TipHeader:
        if self._header is None or self._header.hash != block_hash:
            answer = await self._rpc.call("getblockheader", hash_to_hex(block_hash))
            if not isinstance(answer, Mapping):
                raise BadUpstreamError(f"{self._source}: getblockheader is no object")
            self._header = parse_tip(answer)
        return self._header


def _request(chain: Chain) -> dict[str, object]:
    rules = ["segwit", "signet"] if chain.network is Network.SIGNET else ["segwit"]
    return {"rules": rules, "capabilities": ["coinbasevalue", "longpoll"]}
