"""What can be seen of a connection, before it has said anything and after."""

from headframe.upstream.payees import PayTo
from proxy.hub import HubSettings
from proxy.rig import RigState
from tests.fakes.mining import PayingSource
from tests.fakes.proxying import HARD, proxying
from tests.fakes.rig import RawRig, connected

WPKH = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


async def test_a_connection_that_has_said_nothing_shows_little():
    async with proxying() as proxy, RawRig.to(proxy.port):
        await proxy.until(lambda: any(True for _ in proxy.routing.sessions()))
        [(_, session)] = proxy.routing.sessions()
        assert not session.is_known
        assert (session.user, session.agent, list(session.rigs)) == ("", "", [])
        assert session.host == "127.0.0.1"
        assert session.address.startswith("127.0.0.1:")
        assert session.door is proxy.listener
        assert session.hub is proxy.hub
        told = session.no_figures()
        assert (told["state"], told["payout"]) == (RigState.CONNECTING.value, "")
        assert session.figures(0.0) == []
        assert session.states(0.0) == []
        assert session.hps(0.0) == 0.0


async def test_a_rig_shows_what_it_is_and_does_and_who_is_paid():
    settings = HubSettings(pay_to=PayTo.LOGIN)
    async with (
        proxying(PayingSource(), hub=settings) as proxy,
        connected(proxy.port, f"{WPKH}.7") as [rig],
    ):
        proxy.publish()
        await rig.say(rig.find(await rig.job(), at_most=HARD))
        [(_, session)] = proxy.routing.sessions()
        visitor = session.visitor
        assert (visitor.login, visitor.listener) == (f"{WPKH}.7", "front")
        assert (visitor.address, visitor.agent) == ("127.0.0.1", session.agent)
        [told] = session.figures(1.0)
        assert (told["user"], told["payout"], told["accepted"]) == (f"{WPKH}.7", WPKH, 1)
        assert session.is_known
        assert session.states(1.0) == [RigState.HASHING]
        assert session.hps(1.0) > 0
