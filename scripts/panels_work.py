"""The dashboards of hashing: the miner's devices, and what becomes of each hash."""

from typing import Final

from panels import (
    BAD,
    DEVICE_STATES,
    GOOD,
    MINER,
    PROXY,
    RATE,
    WHERE,
    Board,
    Panel,
    quantiles,
    stat,
    state_number,
)

__all__ = ["DEVICES", "WATERFALL"]


def _of_device(title: str, help: str, metric: str, unit: str) -> Panel:
    query = f"max by (instance, device) ({MINER}device_{metric}{WHERE})"
    return Panel(title=title, help=help, queries=((query, "{{device}}"),), unit=unit, width=8)


DEVICES: Final = Board(
    name="devices",
    title="miner devices",
    help="What hashes in a miner: how fast, how hot, and with which kernel.",
    variables={"instance": ("Miner", MINER + "upstream_up")},
    panels=(
        stat("Hashrate", "Now.", f"sum({MINER}hashrate_hashes_per_second{WHERE})", "Hs"),
        stat("Work", "1 while there is work.", f"min({MINER}upstream_up{WHERE})", limits=GOOD),
        stat(
            "Failed devices",
            "They do not hash any more.",
            f'sum({MINER}device_state{{instance=~"$instance",state="failed"}})',
            limits=BAD,
        ),
        stat(
            "Wrong nonces",
            "Claimed by a kernel and refused by hashlib; none was sent.",
            f"sum({MINER}nonces_wrong_total{WHERE})",
            limits=BAD,
        ),
        stat("Best share", "Its difficulty.", f"max({MINER}best_difficulty{WHERE})"),
        stat("Uptime", "Of the miner.", f"min({MINER}uptime_seconds{WHERE})", "s"),
        Panel(
            title="Hashrate by device",
            help="Over the last minute.",
            queries=(
                (
                    f"sum by (instance, device) ({MINER}device_hashrate_hashes_per_second{WHERE})",
                    "{{device}}",
                ),
            ),
            unit="Hs",
            width=24,
            stack=True,
        ),
        Panel(
            title="State",
            help="idle: there is no work.",
            queries=(
                (state_number(MINER + "device_state", "device", DEVICE_STATES), "{{device}}"),
            ),
            kind="state-timeline",
            words=DEVICE_STATES,
        ),
        Panel(
            title="Kernels",
            help="Which one each device uses.",
            queries=(
                (
                    f"max by (device, kernel) ({MINER}device_kernel{WHERE}) == 1",
                    "{{device}}: {{kernel}}",
                ),
            ),
            kind="stat",
        ),
        _of_device("Temperature", "Of devices that tell it.", "temperature_celsius", "celsius"),
        _of_device("Power", "Of devices that tell it.", "power_watts", "watt"),
        _of_device("Clock", "Of devices that tell it.", "clock_hertz", "hertz"),
        Panel(
            title="Shares in a minute",
            help="Accepted, refused by reason, lost, and dropped before they were sent.",
            queries=(
                (f"sum(rate({MINER}shares_accepted_total{WHERE}{RATE})) * 60", "accepted"),
                (
                    f"sum by (reason) (rate({MINER}shares_rejected_total{WHERE}{RATE})) * 60",
                    "{{reason}}",
                ),
                (f"sum(rate({MINER}shares_lost_total{WHERE}{RATE})) * 60", "lost"),
                (
                    f"sum by (cause) (rate({MINER}shares_dropped_total{WHERE}{RATE})) * 60",
                    "dropped: {{cause}}",
                ),
            ),
            stack=True,
        ),
        Panel(
            title="Mistakes of devices",
            help="Wrong nonces, and kernels that were retired.",
            queries=(
                (
                    f"sum by (device, kind) ({MINER}device_errors_total{WHERE})",
                    "{{device}} {{kind}}",
                ),
            ),
        ),
        Panel(
            title="Where time goes",
            help="From a job to its first hash; from a find to its sending; to the verdict.",
            queries=quantiles(MINER + "share_latency_seconds", "stage"),
            unit="s",
        ),
        Panel(
            title="Lost to gaps",
            help="Hashes that gaps without work cost, of those done, in the last hour.",
            queries=(
                (
                    f"sum(increase({MINER}lost_hashes_total{WHERE}[1h])) "
                    f"/ sum(increase({MINER}hashes_total{WHERE}[1h]))",
                    "lost",
                ),
            ),
            unit="percentunit",
        ),
    ),
)

_OFFERED: Final = f"sum({PROXY}work_offered_hashes_total{WHERE})"
_HERE: Final = f"{PROXY}work_refused_hashes_total{WHERE}"
_UP: Final = f"{PROXY}work_refused_upstream_hashes_total{WHERE}"
_LUCK: Final = (
    f"sum({PROXY}work_accepted_hashes_total{WHERE}) "
    f"- sum({PROXY}work_forwarded_hashes_total{WHERE})"
)
_LOST: Final = f"sum({PROXY}work_lost_hashes_total{WHERE})"
_PENDING: Final = f"sum({PROXY}work_pending_hashes{WHERE})"
_CREDITED: Final = f"sum({PROXY}work_acknowledged_hashes_total{WHERE})"

WATERFALL: Final = Board(
    name="waterfall",
    title="efficiency waterfall",
    help="Hashes that rigs offered, minus each cause of loss, are the hashes that upstreams "
    "credited.",
    variables={"instance": ("Program", PROXY + "upstream_up")},
    panels=(
        stat("Offered", "Hashes behind all shares of rigs.", _OFFERED, "short"),
        stat("Credited", "Hashes behind the shares that upstreams accepted.", _CREDITED, "short"),
        stat(
            "Efficiency",
            "Credited of offered. Luck is in it: over a day it evens out.",
            f"{_CREDITED} / {_OFFERED}",
            "percentunit",
        ),
        stat(
            "Efficiency without luck",
            "What is not refused or lost, on both legs.",
            f"(1 - sum({_HERE}) / {_OFFERED}) "
            f"* {_CREDITED} / sum({PROXY}work_forwarded_hashes_total{WHERE})",
            "percentunit",
        ),
        stat(
            "Unexplained",
            "Offered minus all causes minus credited; anything but 0 is a bug.",
            f"{_OFFERED} - sum({_HERE}) - ({_LUCK}) - sum({_UP}) - {_LOST} - {_PENDING} "
            f"- {_CREDITED}",
            limits=((0, "green"), (1, "red")),
        ),
        stat(
            "Idle in gaps",
            "Estimate of what rigs hashed without live work: it was never offered.",
            f"sum({PROXY}lost_hashes_total{WHERE})",
        ),
        Panel(
            title="From offered to credited",
            help="Counted so far, over restarts. Luck is the difference between the rigs' targets "
            "and the upstream's: shares that are good here and not good enough there count by what "
            "they are worth on average.",
            queries=(
                (_OFFERED, "offered"),
                (f"- sum by (reason) ({_HERE}) < 0", "refused here: {{reason}}"),
                (f"- ({_LUCK})", "luck"),
                (f"- sum by (reason) ({_UP}) < 0", "refused upstream: {{reason}}"),
                (f"- {_LOST}", "lost with a connection"),
                (f"- {_PENDING}", "no answer yet"),
                (_CREDITED, "credited"),
            ),
            kind="bargauge",
            width=24,
            height=10,
        ),
        Panel(
            title="Loss by cause",
            help="Of the hashes offered in the last hour.",
            queries=(
                (
                    f"sum by (reason) (increase({_HERE}[1h])) "
                    f"/ scalar(sum(increase({PROXY}work_offered_hashes_total{WHERE}[1h]))) > 0",
                    "refused here: {{reason}}",
                ),
                (
                    f"sum by (reason) (increase({_UP}[1h])) "
                    f"/ scalar(sum(increase({PROXY}work_forwarded_hashes_total{WHERE}[1h]))) > 0",
                    "refused upstream: {{reason}}",
                ),
                (
                    f"sum(increase({PROXY}work_lost_hashes_total{WHERE}[1h])) "
                    f"/ sum(increase({PROXY}work_forwarded_hashes_total{WHERE}[1h]))",
                    "lost",
                ),
                (
                    f"sum(increase({PROXY}lost_hashes_total{WHERE}[1h])) "
                    f"/ sum(increase({PROXY}work_offered_hashes_total{WHERE}[1h]))",
                    "gaps",
                ),
            ),
            unit="percentunit",
            width=24,
            stack=True,
        ),
        Panel(
            title="Both legs",
            help="Work that rigs delivered, that went up, and that was credited.",
            queries=tuple(
                (f"sum(rate({PROXY}work_{what}_hashes_total{WHERE}{RATE}))", what)
                for what in ("accepted", "forwarded", "acknowledged")
            ),
            unit="Hs",
            width=24,
        ),
    ),
)
