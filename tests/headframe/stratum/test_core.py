import pytest

from headframe.stratum.core import ClientCore, ServerCore
from headframe.stratum.sv1.client import ClientConnection, ClientOptions
from headframe.stratum.sv1.server import ServerConnection
from tests.fakes.stratum_v1 import new_lineage, seat_of


def test_both_cores_of_version_1_have_the_faces() -> None:
    client: ClientCore = ClientConnection(ClientOptions(user="w"), lineage=new_lineage())
    server: ServerCore = ServerConnection()
    assert client.data_to_send() != b""
    assert server.data_to_send() == b""


def test_a_seat_does_not_change() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        seat_of().size = 5  # type: ignore[misc]
