"""What the miner tells of itself has a schema, and keeps to it."""

import msgspec

from miner.monitor import Monitor
from miner.stats import MinerStats
from miner.status import MinerStatus
from tests.fakes.device import FakeDevice
from tests.fakes.source import FakeSource


def test_what_is_told_can_be_read_by_the_type_that_the_schema_is_made_of() -> None:
    monitor = Monitor(FakeSource(), [FakeDevice("fake:0")], MinerStats())
    told = msgspec.convert(monitor.status(), MinerStatus, strict=True)
    assert told == monitor.snapshot()
    assert (told.program, told.devices[0].name) == ("miner", "fake:0")


def test_every_field_is_explained_or_is_clear_by_its_type() -> None:
    schema = msgspec.json.schema(MinerStatus)
    fields = {
        f"{kind}.{name}": field
        for kind, about in schema["$defs"].items()
        for name, field in about.get("properties", {}).items()
    }
    dumb = {
        name
        for name, field in fields.items()
        if not {"description", "$ref", "enum"} & field.keys() and "anyOf" not in field
    }
    assert dumb <= {
        "MinerStatus.program",
        "MinerStatus.version",
        "MinerStatus.uptime_seconds",
        "MinerStatus.devices",
        "BlocksStatus.found",
        "BlocksStatus.accepted",
    }
