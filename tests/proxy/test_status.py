"""What the proxy tells of itself has a schema that explains it."""

import msgspec

from proxy.rig import RigState
from proxy.status import ProxyStatus, RigStatus


def test_the_schema_names_every_part() -> None:
    schema = msgspec.json.schema(ProxyStatus)
    parts = schema["$defs"]
    assert {"UpstreamStatus", "PoolStatus", "RigStatus", "LegStatus"} <= parts.keys()
    assert parts["RigState"]["enum"] == sorted(RigState)
    assert all(part.get("description") for part in parts.values())


def test_all_of_a_rigs_fields_are_always_told() -> None:
    required = msgspec.json.schema(RigStatus)["$defs"]["RigStatus"]["required"]
    assert required == list(RigStatus.__struct_fields__)
