import pytest

from headframe.stratum.sv1.foreign import foreign_client, foreign_line, foreign_server


@pytest.mark.parametrize("first", b'{[ \t\r\nGP"x5~')
def test_text_may_become_anything(first: int) -> None:
    assert foreign_client(first) is None
    assert foreign_server(first) is None


def test_tls_is_named() -> None:
    assert "TLS" in str(foreign_client(0x16))
    assert "stratum+ssl://" in str(foreign_server(0x16))
    assert "stratum+ssl://" in str(foreign_server(0x15))


@pytest.mark.parametrize("first", [0x00, 0x05, 0x7F, 0x80, 0xFF])
def test_binary_is_named_by_its_byte(first: int) -> None:
    for judge in (foreign_client, foreign_server):
        assert judge(first) == f"does not speak Stratum: its first byte is {first:#04x}"


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r", b"HTTP/1.1 400 Bad Request", b"POST /x"])
def test_http_is_named(line: bytes) -> None:
    assert foreign_line(line, "whatever") == "speaks HTTP, not Stratum"


def test_other_lines_are_shown_without_control_characters() -> None:
    text = foreign_line(b"invalid \x1b[0mjson" + b"x" * 1000, "bad")
    assert "'invalid  [0mjson" in text
    assert text.endswith("(bad)")
    assert len(text) < 150
