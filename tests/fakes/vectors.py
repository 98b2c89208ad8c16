"""The JSON files in tests/vectors, as parameters of tests: one case per entry."""

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[1] / "vectors"


def load(name: str) -> dict[str, Any]:
    """Read a whole file, named without its ending."""
    content: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return content


def cases(name: str, key: str = "vectors", label: str = "id") -> list[Any]:
    """Make one pytest parameter of each entry.

    Args:
        name: of the file, without its ending.
        key: of the list in it.
        label: the entry's member that names the case.
    """
    return [
        pytest.param(entry, id=f"{number}-{entry[label]}"[:60])
        for number, entry in enumerate(load(name)[key])
    ]
