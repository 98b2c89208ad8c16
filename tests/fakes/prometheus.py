"""A real Prometheus on loopback, with our own configuration pointed at programs of a test.

Alerts wait minutes before they fire, which no test can. So the rules are run with their time
scaled down: each duration of a `for`, of a range and of an `offset` is divided by one factor, and
nothing else is changed (`scaled`).
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from headframe.runtime.children import Child, child
from tests.fakes.ports import free_port
from tests.fakes.programs import Program, until
from tests.fakes.promtool import find_tool

__all__ = ["DEPLOY", "Prometheus", "prometheus", "scaled"]

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
SCRAPE: Final = "250ms"
_MILLISECONDS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(for: |\[|offset )(\d+)([smhd])\b")


def scaled(rules: str, factor: float) -> str:
    """Return the text of rules with all durations divided by a factor."""

    def shorter(found: re.Match[str]) -> str:
        milliseconds = int(found[2]) * _MILLISECONDS[found[3]] / factor
        return f"{found[1]}{max(round(milliseconds), 1)}ms"

    return _DURATION.sub(shorter, rules)


class Prometheus:
    """A running Prometheus.

    Attributes:
        url: where it answers.
    """

    def __init__(self, running: Child, port: int) -> None:
        self.running = Program(running, port)
        self.url = f"http://127.0.0.1:{port}"
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, path: str, **params: str) -> Any:
        """Ask its API; returns the `data` of the answer."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=params) as answer:
            body = json.loads(await answer.read())
        assert body["status"] == "success", f"{path} {params}: {body}"
        return body["data"]

    async def query(self, expression: str, at: float = 0) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression; returns labels and value of each sample.

        Args:
            expression: in PromQL.
            at: the moment, in seconds since 1970; 0 for now.
        """
        when = {"time": f"{at:.3f}"} if at else {}
        data = await self.ask("query", query=expression, **when)
        assert data["resultType"] == "vector", data
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    async def firing(self) -> dict[str, list[dict[str, Any]]]:
        """Return the alerts that fire, by name: their labels and annotations."""
        alerts: dict[str, list[dict[str, Any]]] = {}
        for alert in (await self.ask("alerts"))["alerts"]:
            if alert["state"] == "firing":
                alerts.setdefault(alert["labels"]["alertname"], []).append(alert)
        return alerts

    async def until_fires(self, name: str, **labels: str) -> dict[str, Any]:
        """Wait for an alert with these labels to fire, and return it."""

        async def find() -> dict[str, Any] | None:
            for alert in (await self.firing()).get(name, ()):
                if labels.items() <= alert["labels"].items():
                    return dict(alert)
            return None

        alert: dict[str, Any] = await until(find, f"{name} {labels} to fire", self.running)
        return alert

    async def until_clear(self, name: str) -> None:
        """Wait until no alert of a name fires."""

        async def gone() -> bool:
            return name not in await self.firing()

        await until(gone, f"{name} to be over", self.running)


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Mapping[str, Sequence[int]], *, factor: float = 1.0
) -> AsyncIterator[Prometheus]:
    """Run Prometheus on our own configuration and rules, and wait until it watches all.

    Args:
        folder: for its files.
        targets: ports to scrape, by the name of the job in our configuration.
        factor: by which the rules' durations are divided.
    """
    tool, port = find_tool("prometheus"), free_port()
    (folder / "alerts.yml").write_text(
        scaled((DEPLOY / "prometheus/alerts.yml").read_text(), factor)
    )
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE}
    jobs = [each for each in config["scrape_configs"] if each["job_name"] in targets]
    for job in jobs:
        job["static_configs"] = [
            {"targets": [f"127.0.0.1:{each}" for each in targets[job["job_name"]]]}
        ]
    assert len(jobs) == len(targets), f"no such job: {targets}"
    (folder / "prometheus.yml").write_text(json.dumps({**config, "scrape_configs": jobs}))
    argv = [tool, f"--config.file={folder}/prometheus.yml"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/tsdb"]
    async with child("prometheus", argv, folder) as running:
        server = Prometheus(running, port)
        try:

            async def watching() -> bool:
                if (await server.running.get("/-/ready"))[0] != 200:
                    return False
                up = [value for _, value in await server.query("up")]
                return up == [1.0] * sum(map(len, targets.values()))

            await until(watching, "Prometheus to watch all targets", server.running)
            yield server
        finally:
            await server.close()
