"""Which upstream comes first, as the API tells and changes it."""

import pytest

from headframe.chain.job import SourceId
from headframe.upstream.base import SourceState, SourceStatus
from headframe.upstream.options import PoolsSettings, StrategyName, UpstreamSettings
from headframe.upstream.preference import (
    PoolRow,
    RoutePools,
    no_such_pool,
    pool_names,
    preferring,
    tell_pools,
    why_not,
)

ONE = UpstreamSettings(url="stratum+tcp://one.example:3333", user="u")
TWO = UpstreamSettings(url="stratum+tcp://two.example", name="two")
THREE = UpstreamSettings(url="stratum+tcp://three.example:1", name="three")


def status(name: str, *, in_use: bool = False, **more: object) -> SourceStatus:
    state = SourceState.ACTIVE if in_use else SourceState.IDLE
    return SourceStatus(
        source=SourceId(name), url=f"stratum+tcp://{name}", user="u", state=state, in_use=in_use
    )


def test_an_upstream_without_a_name_is_called_by_its_place() -> None:
    assert pool_names([ONE, TWO]) == ("one.example:3333", "two")


def test_one_is_put_before_the_others_which_stay_in_their_order() -> None:
    assert preferring([ONE, TWO, THREE], "three") == (THREE, ONE, TWO)
    assert preferring([ONE, TWO, THREE], "one.example:3333") == (ONE, TWO, THREE)
    assert preferring([ONE, TWO, THREE], "four") is None


@pytest.mark.parametrize(
    ("names", "what_to_do"),
    [(["one", "two"], "known: one, two"), ([], "none can be switched to here")],
)
def test_who_asks_for_another_is_told_which_there_are(names: list[str], what_to_do: str) -> None:
    answer = no_such_pool("x" * 200, names)
    assert answer.error == f"there is no upstream '{'x' * 100}'"
    assert answer.what_to_do == what_to_do


@pytest.mark.parametrize("strategy", StrategyName)
def test_only_with_failover_one_is_preferred(strategy: StrategyName) -> None:
    no = why_not(PoolsSettings(strategy=strategy))
    assert (no == "") == (strategy is StrategyName.FAILOVER)
    assert strategy in no or not no


def test_upstreams_are_told_in_the_order_of_the_settings() -> None:
    members = (status("two", in_use=True), status("three"))
    group = SourceStatus(source=SourceId("two"), url="u", state=SourceState.ACTIVE, members=members)
    told = tell_pools("main", group, [THREE, TWO], PoolsSettings())
    assert told == RoutePools(
        route="main",
        strategy="failover",
        switchable=True,
        why_not="",
        preferred="three",
        in_use="two",
        pools=(
            PoolRow(
                pool="three",
                url="stratum+tcp://three",
                user="u",
                state=SourceState.IDLE,
                in_use=False,
                detail="",
            ),
            PoolRow(
                pool="two",
                url="stratum+tcp://two",
                user="u",
                state=SourceState.ACTIVE,
                in_use=True,
                detail="",
            ),
        ),
    )


def test_a_source_without_settings_is_told_and_stays() -> None:
    told = tell_pools("main", status("two", in_use=True), None, None)
    assert (told.preferred, told.in_use, told.strategy) == ("two", "two", "")
    assert not told.switchable
    assert "no settings" in told.why_not
