from pathlib import Path

from proxy.chronicle import Chronicle
from proxy.routes import Rule
from proxy.store import Store
from tests.fakes.rig import connected
from tests.fakes.routes import farming

TO_B = Rule(route="b", login="b.*")


async def test_each_routes_books_go_on_where_they_ended(tmp_path: Path):
    path = tmp_path / "history.sqlite"
    for expected in (1, 2):
        async with farming("a") as farm:
            chronicle = Chronicle(farm.routing, Store(path))
            chronicle.begin()
            farm.change("a", "b", rules=[TO_B])
            farm.publish("b")
            async with connected(farm.port(), "b.1") as [rig]:
                await rig.say(rig.find(await rig.job()))
            await chronicle.end()
            ledger = farm.routing.known["b"].hub.ledger
            assert ledger.total.accepted.shares == expected
            assert ledger.workers["b.1"].accepted.shares == expected
            assert farm.routing.known["a"].hub.ledger.total.accepted.shares == 0
