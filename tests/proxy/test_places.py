"""Who says where a rig belongs: a listener, by the rules; a session asks no more than this."""

from proxy.places import Door, Place
from proxy.routes import Visitor
from tests.fakes.proxying import proxying


async def test_a_listener_is_a_door_and_tells_places():
    async with proxying() as proxy:
        door: Door = proxy.listener
        visitor = Visitor(listener=door.name, address="127.0.0.1", login="w")
        place = door.place(visitor, proxy.hub, counts=False)
        assert isinstance(place, Place)
        assert place.hub is proxy.hub
        assert place == Place(proxy.hub, place.settings)
