"""The dashboards of rigs: the fleet, and one worker."""

from typing import Final

from panels import BAD, GOOD, PROXY, RATE, WHERE, Board, Panel, quantiles, stat

__all__ = ["FLEET", "RIG"]

INSTANCE: Final = ("Program", PROXY + "upstream_up")
WORKER: Final = '{instance=~"$instance",worker=~"$worker"}'
REFUSED: Final = f"{PROXY}worker_shares_refused_total{WORKER}"
WORK: Final = f"{PROXY}worker_work_accepted_hashes_total{WORKER}"

FLEET: Final = Board(
    name="fleet",
    title="fleet",
    help="All rigs of a proxy: how fast they are, how many, and what becomes of their shares.",
    variables={"instance": INSTANCE},
    panels=(
        stat(
            "Hashrate",
            "Estimate from good shares.",
            f"sum({PROXY}worker_hashrate_hashes_per_second{WHERE})",
            "Hs",
        ),
        stat("Rigs", "Rigs that are connected.", f"sum({PROXY}rigs{WHERE})"),
        stat(
            "Silent or invalid",
            "Rigs that earn nothing.",
            f'sum({PROXY}rigs_by_state{{instance=~"$instance",state=~"silent|invalid_only"}})',
            limits=BAD,
        ),
        stat(
            "Work",
            "1 while there is work for rigs.",
            f"min({PROXY}upstream_up{WHERE})",
            limits=GOOD,
        ),
        stat("Age of the job", "Since the newest job.", f"max({PROXY}job_age_seconds{WHERE})", "s"),
        stat(
            "Good shares",
            "Part of the rigs' shares that are good.",
            f"sum(rate({PROXY}shares_accepted_total{WHERE}{RATE})) "
            f"/ sum(rate({PROXY}shares_offered_total{WHERE}{RATE}))",
            "percentunit",
        ),
        Panel(
            title="Hashrate",
            help="Of the work of good shares: it wavers with luck.",
            queries=(
                (f"sum(rate({PROXY}work_accepted_hashes_total{WHERE}{RATE}))", "now"),
                (f"sum(rate({PROXY}work_accepted_hashes_total{WHERE}[1h]))", "one hour"),
            ),
            unit="Hs",
        ),
        Panel(
            title="Hashrate by worker",
            help="The twenty fastest.",
            queries=(
                (
                    f"topk(20, sum by (worker) (rate({PROXY}worker_work_accepted_hashes_total"
                    f"{WHERE}{RATE})))",
                    "{{worker}}",
                ),
            ),
            unit="Hs",
            stack=True,
        ),
        Panel(
            title="Workers",
            help="The busiest; all others are (other).",
            queries=tuple(
                (f"sum by (worker) ({query})", "")
                for query in (
                    f"{PROXY}worker_hashrate_hashes_per_second{WHERE}",
                    f"{PROXY}worker_rigs{WHERE}",
                    f"{PROXY}worker_rigs_hashing{WHERE}",
                    f"{PROXY}worker_shares_accepted_total{WHERE}",
                    f"{PROXY}worker_shares_refused_total{WHERE}",
                    f"time() - {PROXY}worker_last_share_timestamp_seconds{WHERE}",
                )
            ),
            kind="table",
            width=24,
            height=10,
            key="worker",
            leads_to="rig",
            columns={
                "hashrate": "Hs",
                "rigs": "short",
                "hashing": "short",
                "good shares": "short",
                "refused": "short",
                "last share": "s",
            },
        ),
        Panel(
            title="Rigs by state",
            help="silent: no share for long; invalid_only: only bad ones; connecting: none yet.",
            queries=((f"sum by (state) ({PROXY}rigs_by_state{WHERE})", "{{state}}"),),
            stack=True,
        ),
        Panel(
            title="Routes",
            help="Hashrate of each route.",
            queries=(
                (f"sum by (route) ({PROXY}route_hashrate_hashes_per_second{WHERE})", "{{route}}"),
            ),
            unit="Hs",
            stack=True,
        ),
        Panel(
            title="Shares refused here",
            help="By reason, in a second.",
            queries=(
                (
                    f"sum by (reason) (rate({PROXY}shares_refused_total{WHERE}{RATE})) > 0",
                    "{{reason}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            title="Connections that ended",
            help="By cause, in a minute.",
            queries=(
                (
                    f"sum by (reason) (rate({PROXY}connections_closed_total{WHERE}{RATE})) "
                    "* 60 > 0",
                    "{{reason}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            title="Connections by listener",
            help="Open now.",
            queries=((f"sum by (listener) ({PROXY}listener_connections{WHERE})", "{{listener}}"),),
            stack=True,
        ),
        Panel(
            title="Certificates of listeners",
            help="Time until the certificate ends that rigs are shown.",
            queries=(
                (
                    f"min by (listener) "
                    f"({PROXY}listener_certificate_expiry_timestamp_seconds{WHERE}) - time()",
                    "{{listener}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Connections turned away",
            help="By reason, in an hour; and addresses that were banned.",
            queries=(
                (
                    f"sum by (reason) (increase({PROXY}connections_refused_total{WHERE}[1h]))",
                    "{{reason}}",
                ),
                (
                    f"sum by (reason) (increase({PROXY}bans_total{WHERE}[1h]))",
                    "banned: {{reason}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            title="Changes of difficulty",
            help="By vardiff, to a higher or a lower one, for each rig and hour.",
            queries=(
                (
                    f"sum by (direction) (increase({PROXY}retargets_total{WHERE}[1h])) "
                    f"/ scalar(sum({PROXY}rigs{WHERE}))",
                    "{{direction}}",
                ),
            ),
        ),
        Panel(
            title="Where time goes",
            help="From a job's arrival until all rigs were told; from a share to the upstream; "
            "from there to its verdict.",
            queries=quantiles(PROXY + "share_latency_seconds", "stage"),
            unit="s",
        ),
        Panel(
            title="The program",
            help="CPU seconds in a second, and how late its event loop is.",
            queries=(
                (f"sum(rate(process_cpu_seconds_total{WHERE}{RATE}))", "CPU"),
                *quantiles("headframe_event_loop_lag_seconds", ""),
            ),
            unit="s",
        ),
    ),
)

RIG: Final = Board(
    name="rig",
    title="rig detail",
    help="One worker: what its rigs do, and since when.",
    variables={
        "instance": INSTANCE,
        "worker": ("Worker", PROXY + "worker_shares_accepted_total"),
    },
    panels=(
        stat("Hashrate", "Now.", f"sum({PROXY}worker_hashrate_hashes_per_second{WORKER})", "Hs"),
        stat("Rigs", "Connected.", f"sum({PROXY}worker_rigs{WORKER})"),
        stat("Hashing", "Those that send good shares.", f"sum({PROXY}worker_rigs_hashing{WORKER})"),
        stat(
            "Last good share",
            "Time since then.",
            f"time() - max({PROXY}worker_last_share_timestamp_seconds{WORKER})",
            "s",
        ),
        stat(
            "Good shares",
            "Counted so far.",
            f"sum({PROXY}worker_shares_accepted_total{WORKER})",
        ),
        stat(
            "Refused",
            "Part of its shares.",
            f"sum({REFUSED}) / (sum({REFUSED}) + sum({PROXY}worker_shares_accepted_total{WORKER}))",
            "percentunit",
        ),
        Panel(
            title="Hashrate",
            help="Of its good shares' work, over a while and over an hour.",
            queries=(
                (
                    f"sum by (worker) (rate({WORK}{RATE}))",
                    "{{worker}}",
                ),
                (
                    f"sum by (worker) (rate({WORK}[1h]))",
                    "{{worker}}, one hour",
                ),
            ),
            unit="Hs",
            width=24,
        ),
        Panel(
            title="Shares in a minute",
            help="Good and refused.",
            queries=(
                (f"sum(rate({PROXY}worker_shares_accepted_total{WORKER}{RATE})) * 60", "good"),
                (f"sum(rate({PROXY}worker_shares_refused_total{WORKER}{RATE})) * 60", "refused"),
            ),
        ),
        Panel(
            title="Rigs",
            help="Connected, and sending good shares.",
            queries=(
                (f"sum(max by (worker) ({PROXY}worker_rigs{WORKER}))", "connected"),
                (f"sum(max by (worker) ({PROXY}worker_rigs_hashing{WORKER}))", "hashing"),
            ),
        ),
    ),
)
