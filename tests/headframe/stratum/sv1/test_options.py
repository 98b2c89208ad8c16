"""`ClientOptions`: what a client says when nobody chose anything."""

from headframe import __version__
from headframe.chain.job import BIP320_MASK
from headframe.stratum.sv1.options import ClientOptions


def test_by_default_versions_are_rolled_and_nothing_is_wished_for() -> None:
    options = ClientOptions(user="u")
    assert options.agent == f"headframe/{__version__}"
    assert options.password == "x"
    assert options.version_mask == BIP320_MASK
    assert (options.suggest_difficulty, options.suggest_target, options.session) == (None, None, "")
