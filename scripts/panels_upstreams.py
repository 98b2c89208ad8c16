"""The dashboards of what gives work: upstreams with their failover, and solo mining."""

from typing import Final

from panels import (
    BAD,
    GOOD,
    PROXY,
    RATE,
    STATES,
    WHERE,
    Board,
    Panel,
    quantiles,
    stat,
    state_number,
)

__all__ = ["SOLO", "UPSTREAMS"]

EITHER: Final = "headframe_${program}_"
"""The proxy's or the miner's."""
PROGRAM: Final = ("Kind", "proxy,miner")
INSTANCE: Final = ("Program", EITHER + "upstream_up")
_FAILOVER: Final = (
    Panel(
        title="What switches cost the rigs",
        help="Estimate of the hashes without live work, in a second; and shares without a taker.",
        queries=(
            (f"sum(rate({PROXY}lost_hashes_total[1h]))", "hashes"),
            (f"sum(rate({PROXY}shares_untaken_total[1h]))", "shares"),
        ),
    ),
    Panel(
        title="Switches by upstream",
        help="Who was left, who was taken, and why: lost, it had no work any more; preferred, one "
        "before it is back; turn, the strategy shares work out; removed, by the settings. In an "
        "hour.",
        queries=(
            (
                f"sum by (from, to, reason) (increase({EITHER}pool_failovers_total{WHERE}[1h]))",
                "{{from}} to {{to}}: {{reason}}",
            ),
        ),
    ),
    Panel(
        title="Jobs in a minute",
        help="A clean one makes all before it worthless: a new block, or another upstream.",
        queries=(
            (
                f"sum by (clean) (rate({EITHER}jobs_total{WHERE}{RATE})) * 60",
                "clean: {{clean}}",
            ),
        ),
    ),
    Panel(
        title="Switches of the proxy",
        help="planned: the upstream before still had work; lost: it had none; resumed: the same "
        "one again, after a gap. In an hour.",
        queries=((f"sum by (kind) (increase({PROXY}switches_total[1h]))", "{{kind}}"),),
    ),
)

UPSTREAMS: Final = Board(
    name="upstreams",
    title="upstreams and failover",
    help="Pools and nodes: which is used, how each is doing, and what switches cost.",
    variables={"program": PROGRAM, "instance": INSTANCE},
    panels=(
        stat("Work", "1 while there is work.", f"min({EITHER}upstream_up{WHERE})", limits=GOOD),
        stat(
            "Spare in use",
            "1 while an upstream other than the first one is worked for.",
            f"max({EITHER}pool_in_use{WHERE} * ({EITHER}pool_rank{WHERE} > bool 1))",
            limits=BAD,
        ),
        stat(
            "Switches", "In an hour.", f"sum(increase({EITHER}upstream_switches_total{WHERE}[1h]))"
        ),
        stat("Age of the job", "The newest.", f"max({EITHER}job_age_seconds{WHERE})", "s"),
        stat(
            "Without work",
            "Seconds of the last hour, of gaps that are over.",
            f"sum(increase({EITHER}upstream_idle_seconds_total{WHERE}[1h]))",
            "s",
        ),
        stat(
            "Lag",
            "Blocks that an upstream in use is behind another one.",
            f"max(max without (pool) ({EITHER}pool_height{WHERE}) - on (job, instance) "
            f"group_right () ({EITHER}pool_height{WHERE} and {EITHER}pool_in_use == 1))",
        ),
        Panel(
            title="State",
            help="idle: not needed at present, and so not connected.",
            queries=((state_number(EITHER + "pool_state", "pool", STATES), "{{pool}}"),),
            kind="state-timeline",
            words=STATES,
            width=24,
        ),
        Panel(
            title="In use",
            help="1 for the upstream whose job is worked on.",
            queries=((f"max by (pool) ({EITHER}pool_in_use{WHERE})", "{{pool}}"),),
            stack=True,
        ),
        Panel(
            title="Credited work",
            help="Of the shares that each upstream accepted.",
            queries=(
                (
                    f"sum by (pool) (rate({EITHER}pool_work_accepted_hashes_total{WHERE}{RATE}))",
                    "{{pool}}",
                ),
            ),
            unit="Hs",
            stack=True,
        ),
        Panel(
            title="Shares that were not credited",
            help="Refused by the upstream, or lost with their connection; in a minute.",
            queries=(
                (
                    f"sum by (pool) (rate({EITHER}pool_shares_rejected_total{WHERE}{RATE})) * 60",
                    "{{pool}} refused",
                ),
                (
                    f"sum by (pool) (rate({EITHER}pool_shares_lost_total{WHERE}{RATE})) * 60",
                    "{{pool}} lost",
                ),
            ),
        ),
        Panel(
            title="Time to an answer",
            help="A pool's to a share, a node's with a template.",
            queries=quantiles(EITHER + "pool_answer_seconds", "pool"),
            unit="s",
        ),
        Panel(
            title="Age of each one's job",
            help="Since its newest came.",
            queries=((f"max by (pool) ({EITHER}pool_job_age_seconds{WHERE})", "{{pool}}"),),
            unit="s",
        ),
        Panel(
            title="Difficulty",
            help="Of the newest job's shares.",
            queries=((f"max by (pool) ({EITHER}pool_difficulty{WHERE})", "{{pool}}"),),
        ),
        Panel(
            title="Height",
            help="Of the block that each one's newest job is for.",
            queries=((f"max by (pool) ({EITHER}pool_height{WHERE})", "{{pool}}"),),
        ),
        Panel(
            title="Clocks",
            help="How far a job's time was ahead of this machine's when it came.",
            queries=((f"max by (pool) ({EITHER}pool_clock_skew_seconds{WHERE})", "{{pool}}"),),
            unit="s",
        ),
        Panel(
            title="Certificates",
            help="Time until the certificate of a pool over TLS ends.",
            queries=(
                (
                    f"max by (pool) ({EITHER}pool_certificate_expiry_timestamp_seconds{WHERE}) "
                    "- time()",
                    "{{pool}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Connections made",
            help="And redirects followed, and times that the pool broke the protocol; in an hour.",
            queries=(
                (
                    f"sum by (pool) (increase({EITHER}pool_connects_total{WHERE}[1h]))",
                    "{{pool}}",
                ),
                (
                    f"sum by (pool) (increase({EITHER}pool_redirects_total{WHERE}[1h]))",
                    "{{pool}} redirected",
                ),
                (
                    f"sum by (pool) (increase({EITHER}pool_faults_total{WHERE}[1h]))",
                    "{{pool}} faults",
                ),
            ),
        ),
        Panel(
            title="Where time goes",
            help="By stage of a share's way; docs/metrics.md names them.",
            queries=quantiles(EITHER + "share_latency_seconds", "stage"),
            unit="s",
        ),
        *_FAILOVER,
    ),
)

SOLO: Final = Board(
    name="solo",
    title="solo and blocks",
    help="Mining on a node of one's own: blocks, their verdicts, and whether they stay.",
    variables={"program": PROGRAM, "instance": INSTANCE},
    panels=(
        stat(
            "Blocks accepted",
            "In the last day.",
            f'sum(increase({EITHER}blocks_judged_total{{instance=~"$instance",'
            'reason="accepted"}[1d]))',
        ),
        stat(
            "Refused",
            "Since the program started.",
            f'sum({EITHER}blocks_judged_total{{instance=~"$instance",reason!="accepted"}})',
            limits=BAD,
        ),
        stat(
            "Waiting",
            "Found, and no node has given a verdict yet.",
            f"sum({EITHER}blocks_waiting{WHERE})",
            limits=BAD,
        ),
        stat(
            "Being followed",
            "Accepted, and not deep in the chain yet.",
            f"sum({EITHER}blocks_followed{WHERE})",
        ),
        stat("Settled", "Deep in the chain.", f"sum({EITHER}blocks_settled_total{WHERE})"),
        stat("Left the chain", "Orphaned.", f"sum({EITHER}blocks_orphaned_total{WHERE})"),
        Panel(
            title="Blocks in an hour",
            help="By verdict.",
            queries=(
                (
                    f"sum by (reason) (increase({EITHER}blocks_judged_total{WHERE}[1h]))",
                    "{{reason}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            title="Height",
            help="Of the block that is worked on.",
            queries=((f"max by (pool) ({EITHER}pool_height{WHERE})", "{{pool}}"),),
        ),
        Panel(
            title="Time for a template",
            help="How long the node takes for one.",
            queries=quantiles(EITHER + "pool_answer_seconds", "pool"),
            unit="s",
        ),
        Panel(
            title="What it would take",
            help="Difficulty of the block that is worked on, as the source demands it.",
            queries=((f"max by (pool) ({EITHER}pool_difficulty{WHERE})", "{{pool}}"),),
        ),
        Panel(
            title="Blocks for a pool",
            help="Shares that are blocks and could not be sent at once: kept, sent later, lost.",
            queries=tuple(
                (f"sum({EITHER}block_candidates_{fate}_total{WHERE})", fate)
                for fate in ("kept", "resent", "lost")
            ),
        ),
        Panel(
            title="Web hook",
            help="Calls that it took, and events that it was not told of.",
            queries=(
                (f"sum({EITHER}block_hook_calls_total{WHERE})", "taken"),
                (f"sum({EITHER}block_hook_failures_total{WHERE})", "failed"),
            ),
        ),
    ),
)
