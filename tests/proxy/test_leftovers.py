import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from structlog.testing import capture_logs

from headframe.chain.hashes import hash_to_hex
from headframe.chain.share import Reason, Verdict
from headframe.upstream.access import NodeAccess
from headframe.upstream.blockdesk import DeskOptions
from headframe.upstream.journal import FoundBlock, Journal
from proxy.building import Builder, journal_of
from proxy.leftovers import Leftovers
from proxy.routing import Routing
from tests.fakes.foundblocks import block, until
from tests.fakes.rpcnode import RpcNode
from tests.proxy.test_building import POOL, config_of

ACCEPTED = Verdict(reason=Reason.ACCEPTED)


def leave(path: Path, *blocks: FoundBlock) -> None:
    """Write down found blocks as a proxy does that ends before a node hears of them."""
    journal = Journal(path, wall=lambda: 0)
    for each in blocks:
        assert journal.found(each)


def verdicts(path: Path) -> dict[str, Reason]:
    records = Journal(path, wall=lambda: 0).records()
    return {hash_to_hex(record.hash): record.reason for record in records}


class Scene:
    """A proxy with one route to a pool, and what an earlier one left in its folder."""

    def __init__(self, folder: Path, *nodes: RpcNode) -> None:
        self.folder = folder
        config = config_of(folder, f"upstreams = [{POOL}]\n")
        self.builder = Builder(config, folder)
        self.routing: Routing = self.builder.routing(config)
        extra = {node.url: NodeAccess(url=node.url, user="u") for node in nodes}
        self.options = DeskOptions(extra=extra, poll_seconds=0.01)
        self.leftovers = Leftovers(folder, self.routing, self.options)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.leftovers.look()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.leftovers.run())
            yield
            task.cancel()


async def test_blocks_of_a_connection_or_route_that_is_no_more_are_submitted(tmp_path: Path):
    of_shard = tmp_path / "proxy-blocks-default-2.journal"
    of_route = tmp_path / "proxy-blocks-gone.journal"
    leave(of_shard, block(1))
    leave(of_route, block(2))
    async with RpcNode({"submitblock": None}) as node:
        scene = Scene(tmp_path, node)
        with capture_logs() as logs:
            async with scene.running():
                paths = (of_shard, of_route)
                await until(
                    lambda: all(set(verdicts(each).values()) == {Reason.ACCEPTED} for each in paths)
                )
        told = {each["path"]: each for each in logs if each["event"] == "blocks_left_behind"}
    assert set(told) == {str(of_shard), str(of_route)}
    assert {each["log_level"] for each in told.values()} == {"warning"}
    assert sorted(row.hash for row in scene.routing.first.uplink.blocks) == sorted(
        hash_to_hex(block(number).hash) for number in (1, 2)
    )
    assert [each.blocks_judged[Reason.ACCEPTED] for each in scene.routing.strays] == [1, 1]


async def test_without_a_node_it_is_said_which_file_holds_them_and_what_to_do(tmp_path: Path):
    path = tmp_path / "proxy-blocks-gone.journal"
    leave(path, block(1))
    scene = Scene(tmp_path)
    with capture_logs() as logs:
        scene.leftovers.look()
    [told] = [each for each in logs if each["event"] == "blocks_left_behind"]
    assert (told["log_level"], told["path"], told["count"]) == ("error", str(path), 1)
    assert "submitblock" in told["what_to_do"]


async def test_journals_of_routes_and_those_that_are_over_are_left_alone(tmp_path: Path):
    leave(journal_of(tmp_path, "default"), block(1))
    over = tmp_path / "proxy-blocks-gone.journal"
    leave(over, block(2))
    Journal(over, wall=lambda: 0).resolved(
        block(2).hash, Verdict(reason=Reason.LOW_DIFFICULTY), node="n"
    )
    scene = Scene(tmp_path)
    with capture_logs() as logs:
        scene.leftovers.look()
    assert scene.leftovers.desks == ()
    assert [each for each in logs if each["event"] == "blocks_left_behind"] == []


async def test_an_accepted_block_is_followed_on(tmp_path: Path):
    path = tmp_path / "proxy-blocks-gone.journal"
    leave(path, block(1))
    Journal(path, wall=lambda: 0).resolved(block(1).hash, ACCEPTED, node="n")
    shown = hash_to_hex(block(1).hash)

    def header(params: list[str]) -> dict[str, int]:
        return {"height": 2, "confirmations": -1 if params == [shown] else 1}

    async with RpcNode({"getbestblockhash": "aa" * 32, "getblockheader": header}) as node:
        scene = Scene(tmp_path, node)
        async with scene.running():
            [stats] = scene.routing.strays
            await until(lambda: stats.blocks_orphaned == 1)


async def test_a_route_that_comes_back_has_its_file_again(tmp_path: Path):
    path = journal_of(tmp_path, "b")
    leave(path, block(1))
    scene = Scene(tmp_path)
    async with scene.running():
        [stats] = scene.routing.strays
        await until(lambda: stats.blocks_waiting == 1)
        text = f'upstreams = [{POOL}]\n[[routes]]\nname = "b"\nupstreams = [{POOL}]\n'
        made = scene.builder.arrange(config_of(tmp_path, text))
        scene.routing.change(made.routes, made.router, made.rigs, made.settings)
        scene.leftovers.follow(DeskOptions())
        assert scene.leftovers.desks == ()
        assert stats.blocks_waiting == 0
    assert verdicts(path) == {hash_to_hex(block(1).hash): Reason.PENDING}


async def test_a_route_that_is_taken_out_leaves_its_blocks_to_the_nodes_that_stay(tmp_path: Path):
    two = f'upstreams = [{POOL}]\n[[routes]]\nname = "b"\nupstreams = [{POOL}]\n'
    async with RpcNode({"submitblock": None}) as node:
        scene = Scene(tmp_path, node)
        made = scene.builder.arrange(config_of(tmp_path, two))
        scene.routing.change(made.routes, made.router, made.rigs, made.settings)
        scene.routing.linger_seconds = 0
        async with scene.running(), asyncio.TaskGroup() as group:
            task = group.create_task(scene.routing.run())
            await until(lambda: all(each.runs for each in scene.routing.routes.values()))
            leave(journal_of(tmp_path, "b"), block(1))
            one = scene.builder.arrange(config_of(tmp_path, f"upstreams = [{POOL}]\n"))
            scene.routing.change(one.routes, one.router, one.rigs, one.settings)
            path = journal_of(tmp_path, "b")
            await until(lambda: set(verdicts(path).values()) == {Reason.ACCEPTED})
            task.cancel()


async def test_other_nodes_may_be_named_while_it_runs(tmp_path: Path):
    path = tmp_path / "proxy-blocks-gone.journal"
    leave(path, block(1))
    scene = Scene(tmp_path)
    async with RpcNode({"submitblock": None}) as node, scene.running():
        scene.leftovers.follow(DeskOptions(extra={"n": NodeAccess(url=node.url, user="u")}))
        await until(lambda: set(verdicts(path).values()) == {Reason.ACCEPTED})


def test_further_connections_of_a_route_write_to_its_own_journal(tmp_path: Path):
    config = config_of(tmp_path, f"upstreams = [{POOL}]\n")
    builder = Builder(config, tmp_path)
    [route] = builder.arrange(config).routes
    assert route.roster is not None
    assert route.shards is not None
    shards = [route.shards._make(number) for number in (2, 3)]
    for shard in shards:
        assert shard.roster is not None
        assert shard.roster.desk is route.roster.desk
        assert shard.hub.uplink.blocks is route.hub.uplink.blocks
        assert shard.hub.blocks is route.hub.blocks
    assert [each for each in itertools.islice(tmp_path.iterdir(), 9) if "-2" in each.name] == []
