"""bitcoind's JSON-RPC: call a method, get its result or one clear error.

What nodes do, and what follows (observed on real ones):

- The cookie is new at each start of the node, so it is read again when it is refused.
- A refusal may come with status 200, 404 or 500; so the body counts, whatever the status
  is, except for 401, 403 and 503, whose bodies are no JSON.
- An idle connection is closed after half a minute, sometimes just as a call is written to
  it; so a call whose connection ends without an answer is made once more. That is
  harmless for every method used here, `submitblock` included.
- Each call in flight has a connection of its own; none waits for another.
- Templates come by the megabyte, and fresh memory for one costs as much time as reading it:
  so the memory of the last large answer is kept for the next.
"""

import asyncio
import base64
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import msgspec

from headframe.runtime.http import aiohttp
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    UnreachableError,
)

__all__ = ["METHOD_NOT_FOUND", "NodeRpc", "RpcError", "Shape"]

METHOD_NOT_FOUND: Final = -32601
_WARMING_UP: Final = -28
_CALL_SECONDS: Final = 30.0
"""Enough for a node that is busy checking a large block."""
_CONNECT_SECONDS: Final = 10.0
_LONGEST_ANSWER: Final = 64 << 20
"""Bytes; a template of a full block is 3 to 9 MB of JSON."""
_UNREAD_BYTES: Final = 16 << 20
"""A template is read as soon as it comes: nodes are not told to wait with the rest of it."""
_PIECE_BYTES: Final = 1 << 16
_EXCERPT: Final = 60


class RpcError(RefusedError):
    """The node answered a call with a JSON-RPC error.

    Attributes:
        method: the call.
        code: the node's number.
        message: the node's words.
    """

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"the node refused {method}: {message} (code {code})")
        self.method = method
        self.code = code
        self.message = message


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


_Result = TypeVar("_Result")


class _Answer(msgspec.Struct, Generic[_Result]):
    result: _Result | None = None
    error: _Error | str | None = None


class Shape:
    """What the result of a call looks like, so that thousands of objects are read at once.

    Args:
        type: as msgspec takes it; what JSON has beside it is not read. A number with a
            decimal point is a `Decimal` where nothing else is said.
    """

    def __init__(self, type: Any) -> None:
        self.decode: Callable[[memoryview], _Answer[Any]] = msgspec.json.Decoder(
            _Answer[type], float_hook=Decimal
        ).decode


_ANYTHING: Final = Shape(Any)


class NodeRpc:
    """A client of one node; an asynchronous context manager, or `close` it.

    Args:
        url: `http://host:port`, without credentials.
        user: for basic authentication; with `password` empty and a cookie given, unused.
        password: likewise.
        cookie: the node's cookie file; used when there is no password.
    """

    def __init__(
        self, url: str, *, user: str = "", password: str = "", cookie: Path | None = None
    ) -> None:
        self._url = url
        self._user = user
        self._password = password
        self._cookie = None if password else cookie
        self._token: str | None = None
        self._session: aiohttp.ClientSession | None = None
        self._serial = 0
        self._room = bytearray()  # for an answer's bytes, while no call uses it

    @property
    def url(self) -> str:
        """Where the node is, without credentials."""
        return self._url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self,
        method: str,
        *params: object,
        timeout_seconds: float = _CALL_SECONDS,
        shape: Shape = _ANYTHING,
    ) -> Any:
        """Call a method.

        Args:
            method: its name.
            params: its arguments, in order; whatever JSON can say.
            timeout_seconds: for the whole call; what it waits on the node's side included.
            shape: what the result should look like.

        Returns:
            The result in its shape. Where it has another one, or none is given, as JSON says
            it; a number with a decimal point is a `Decimal`.

        Raises:
            RpcError: the node answered with an error.
            UnreachableError: no connection, no answer in time, or the node is starting up
                or overloaded.
            RefusedError: wrong credentials, or this machine is not allowed.
            BadUpstreamError: the answer is not JSON-RPC.
        """
        status, body = await self._send(method, params, timeout_seconds)
        if status == 401 and self._cookie is not None:
            self._token = None  # the node was started anew, and so is its cookie
            status, body = await self._send(method, params, timeout_seconds)
        self._ensure_served(status)
        result = self._result(method, status, body, shape)
        self._give_back(body)
        return result

    async def _send(
        self, method: str, params: tuple[object, ...], timeout_seconds: float
    ) -> tuple[int, memoryview]:
        self._serial += 1
        request = msgspec.json.encode({"id": self._serial, "method": method, "params": params})
        try:
            async with asyncio.timeout(timeout_seconds):
                try:
                    return await self._post(request)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if isinstance(error, aiohttp.ClientConnectorError):
                        raise  # never was connected
                    return await self._post(request)
        except TimeoutError:
            raise UnreachableError(
                f"the node at {self._url} did not answer {method} within {timeout_seconds:g} s"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(
                f"no node answers at {self._url} ({_why(error.os_error)}): is it running, with "
                "server=1, and is the port its RPC port?"
            ) from error
        except (aiohttp.InvalidURL, UnicodeError) as error:
            raise BadUpstreamError(f"{self._url} is no URL of a node") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(
                f"the connection to the node at {self._url} broke: {_why(error)}"
            ) from error

    async def _post(self, request: bytes) -> tuple[int, memoryview]:
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        async with self._opened().post(
            self._url, data=request, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await self._read(response.content)

    async def _read(self, content: aiohttp.StreamReader) -> memoryview:
        room, self._room = self._room, bytearray()
        size = 0
        async for piece in content.iter_chunked(_PIECE_BYTES):
            start, size = size, size + len(piece)
            if size > _LONGEST_ANSWER:
                raise BadUpstreamError(
                    f"the node at {self._url} answers with more than {_LONGEST_ANSWER} bytes"
                )
            room[start:size] = piece  # it grows where that is needed
        return memoryview(room)[:size]

    def _give_back(self, body: memoryview) -> None:
        """Keep the larger memory, for the next answer."""
        room = body.obj
        body.release()
        if isinstance(room, bytearray) and len(room) > len(self._room):
            self._room = room

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                auto_decompress=False,
                read_bufsize=_UNREAD_BYTES,
            )
        return self._session

    def _authorization(self) -> str:
        if self._token is None:
            secret = f"{self._user}:{self._password}"
            if self._cookie is not None:
                secret = _read_cookie(self._cookie, self._url)
            self._token = "Basic " + base64.b64encode(secret.encode()).decode()
        return self._token

    def _ensure_served(self, status: int) -> None:
        if status == 401:
            what = (
                f"the cookie {self._cookie} is not this node's"
                if self._cookie is not None
                else f"wrong user or password (user {self._user!r})"
            )
            self._token = None
            raise RefusedError(
                f"the node at {self._url} refused us: {what}; give its rpcuser and rpcpassword, "
                "or its cookie file"
            )
        if status == 403:
            raise RefusedError(
                f"the node at {self._url} does not serve this machine, or not this call: see its "
                "rpcallowip and rpcwhitelist"
            )
        if status == 503:
            raise UnreachableError(
                f"the node at {self._url} is overloaded: more calls wait than its rpcworkqueue "
                "allows"
            )

    def _result(self, method: str, status: int, body: memoryview, shape: Shape) -> Any:
        try:
            try:
                answer = shape.decode(body)
            except msgspec.ValidationError:  # JSON, but not in that shape
                answer = _ANYTHING.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            excerpt = bytes(body[:_EXCERPT]).decode("ascii", "replace")
            raise BadUpstreamError(
                f"what answers at {self._url} is no bitcoind: HTTP status {status}, {excerpt!r}"
            ) from None
        match answer.error:
            case None:
                if status != 200:
                    raise BadUpstreamError(
                        f"what answers at {self._url} is no bitcoind: HTTP status {status}"
                    )
                return answer.result
            case str(text):
                raise RpcError(method, 0, text)
            case error if error.code == _WARMING_UP:
                raise UnreachableError(f"the node at {self._url} is starting up: {error.message}")
            case error:
                raise RpcError(method, error.code, error.message)


def _read_cookie(path: Path, url: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise RefusedError(
            f"no cookie file at {path} for the node at {url}: start the node, or give the path of "
            "its .cookie, or its rpcuser and rpcpassword"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(
            f"the cookie file {path} cannot be read ({_why(error)}): run as a user who may, or "
            "give rpcuser and rpcpassword"
        ) from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
