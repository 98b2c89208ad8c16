"""Strangers' noise fills no log with tracebacks."""

import asyncio
import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from structlog.testing import capture_logs

from headframe.runtime.web import WebServer
from headframe.runtime.web.noise import server_log


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", b"GET / x\r\n\r\n"])
async def test_what_is_no_request_is_told_in_a_line(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = WebServer("127.0.0.1", 0, status=dict, metrics=bytes, healthy=bool, title="x")
    with capture_logs() as logs:
        async with asyncio.timeout(60), server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(garbage)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
    assert {(line["event"], line["status"]) for line in logs} <= {("bad_request", 400)}
    assert not [line for line in logs if "\n" in line["error"]]
    assert not caplog.records


def test_the_line_says_what_is_wrong() -> None:
    with capture_logs() as logs:
        server_log().error("it is none", exc_info=BadHttpMessage("Bad\r\nstatus"))
    [line] = logs
    assert (line["event"], line["status"]) == ("bad_request", 400)
    assert "Bad\\r\\nstatus" in line["error"]


def test_mistakes_of_ours_are_still_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    logger = server_log()
    assert logger is server_log()
    assert len(logger.filters) == 1
    with caplog.at_level(logging.ERROR):
        logger.error("it broke", exc_info=ZeroDivisionError())
        logger.error("no exception")
    assert [record.getMessage() for record in caplog.records] == ["it broke", "no exception"]
