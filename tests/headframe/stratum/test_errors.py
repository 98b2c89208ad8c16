from headframe.stratum import errors


def test_one_base_for_all_and_two_sides_apart() -> None:
    for error in (errors.LocalProtocolError, errors.RemoteProtocolError):
        assert issubclass(error, errors.StratumError)
    assert not issubclass(errors.LocalProtocolError, errors.RemoteProtocolError)
    assert not issubclass(errors.RemoteProtocolError, errors.LocalProtocolError)
