"""The folder of `headframe up`; `tests/system` runs the whole."""

import asyncio
from pathlib import Path

import pytest

from headframe.runtime.errors import ConfigError
from headframe.up.app import own_folder
from headframe.up.parts import Options, own_address


async def test_a_second_up_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    options = Options(datadir=tmp_path)
    async with own_folder(options):
        with pytest.raises(ConfigError, match="choose another folder with --datadir"):
            async with asyncio.timeout(5), own_folder(options):
                pass


async def test_fresh_forgets_the_chain_and_keeps_the_key(tmp_path: Path) -> None:
    address, _ = own_address(tmp_path)
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "block").write_text("old")
    async with own_folder(Options(datadir=tmp_path, fresh=True)):
        assert not (tmp_path / "embedded").exists()
    assert own_address(tmp_path)[0] == address
