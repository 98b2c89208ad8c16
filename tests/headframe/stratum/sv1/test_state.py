import pytest

from headframe.stratum.sv1.server import ServerConnection
from headframe.stratum.sv1.state import ServerState


@pytest.mark.parametrize("end", ["rubbish", "eof"])
def test_a_core_listens_until_its_peer_breaks_the_protocol_or_hangs_up(end: str) -> None:
    core = ServerConnection()
    states = [core.state]
    if end == "eof":
        core.receive_eof()
    else:
        assert len(core.receive_data(b"GET / HTTP/1.1\r\n")) == 1
    states.append(core.state)
    assert states == [ServerState.OPEN, ServerState.CLOSED]
    assert core.receive_data(b'{"id":1,"method":"mining.subscribe","params":[]}\n') == ()
