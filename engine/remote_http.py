# SPDX-License-Identifier: Apache-2.0
"""HTTP to one host: whole answers and streamed events, bounded in size and in time.

In: paths, JSON, an event that cancels. Out: JSON objects as they come, or one line that says why
not. Knows no prompt and no kind of server.

Requests run on a loop of their own, in a thread: so a caller that waits looks at its `cancel` every
`POLL_S`, and a cancel closes the connection wherever the request is: connecting, sending, waiting.
No proxy, no `.netrc`, no redirect: text goes to the host that the user has named, or nowhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import random
import ssl
import threading
import time
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from engine.types import EngineError, RequestRejected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator
    from concurrent.futures import Future

POLL_S = 0.02  # how late a cancel is seen
MOST_BYTES = 16 << 20  # of one answer: 64 tokens with all that is told of them are 40 kB
MOST_LINE_BYTES = 1 << 20
LINE_CHARS = 200  # of what a server says, in a message
KEPT_S = 4.0  # llama-server closes connections that rest for five seconds
FIRST_WAIT_S = 0.25  # before a busy server is asked again; then twice as long each time
CLOSE_S = 1.0
BUSY = HTTPStatus.TOO_MANY_REQUESTS
GONE = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
AGAIN = (BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
EVENTS = "text/event-stream"


class Away(EngineError):
    """The host cannot be reached, does not answer in time, or broke off. It may come back."""


class KeyRefused(EngineError):
    """The host wants a key, or another one."""


class Declined(RequestRejected):
    """The host answered, and not with what was asked for. `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without progress until a host counts as away."""

    connect_s: float = 3.0
    first_byte_s: float = 120.0  # a cold prompt of 30,000 tokens; a key's cancel comes long before
    between_s: float = 30.0
    whole_s: float = 10.0  # of an answer that is no stream: small, and known at once


class Http:
    """One host. Used by one thread at a time; `close` from any."""

    def __init__(self, url: str, key: str = "", timeouts: Timeouts | None = None) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc  # as the user wrote it: settings refuse credentials in it
        self._key = key
        self._timeouts = timeouts or Timeouts()
        # httpx2 says each request at "info" and its headers, with the key, at "debug".
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = self._new_client(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="remote", daemon=True)
        self._thread.start()

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises Away, KeyRefused, Declined."""
        return next(self._once("GET", path, None, threading.Event(), whole=True))

    def post(self, path: str, body: Any) -> Any:
        """The whole JSON answer. Raises Away, KeyRefused, Declined."""
        return next(self._once("POST", path, body, threading.Event(), whole=True))

    def stream(
        self, path: str, body: Any, cancel: threading.Event, patience_s: float
    ) -> Generator[Any, None, None]:
        """The events of one answer; ends early, without error, when `cancel` is set.

        A host that is busy (429, 503) is asked again, after what it says in Retry-After, as long
        as that ends within `patience_s`. Raises Away, KeyRefused, Declined.
        """
        until, wait_s = time.monotonic() + patience_s, FIRST_WAIT_S
        while True:
            try:
                yield from self._once("POST", path, body, cancel, whole=False)
            except _Busy as busy:  # noqa: PERF203  once a request
                jittered_s = wait_s * random.uniform(0.5, 1.5)  # noqa: S311  spreads the load
                pause_s = jittered_s if busy.after_s is None else busy.after_s
                if time.monotonic() + pause_s > until:
                    raise busy.reason from None
                if cancel.wait(pause_s):
                    return
                wait_s *= 2
            else:
                return

    def close(self) -> None:
        """Close all connections, and break off what is under way."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)

    def line(self, text: object) -> str:
        """What the host or the network said, as one line, without the key if it was in it."""
        said = str(text).replace(self._key, "***") if self._key else str(text)
        clean = "".join(each if each.isprintable() else " " for each in said)
        return " ".join(clean.split())[:LINE_CHARS]

    def _new_client(self, url: str) -> httpx2.AsyncClient:
        waits = self._timeouts
        headers = {"Accept-Encoding": "identity", "User-Agent": "ghostwright"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            verify=ssl.create_default_context(),  # the system's authorities, or SSL_CERT_FILE
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(keepalive_expiry=KEPT_S),
            timeout=httpx2.Timeout(waits.first_byte_s, connect=waits.connect_s),
        )

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    def _once(
        self, method: str, path: str, body: Any, cancel: threading.Event, *, whole: bool
    ) -> Generator[Any, None, None]:
        """The objects of one request, as they come in from the loop's thread."""
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        if not self._thread.is_alive():
            raise RequestRejected("the engine is closed")
        pump = self._pump(method, path, body, arrived, whole=whole)
        running = asyncio.run_coroutine_threadsafe(pump, self._loop)
        running.add_done_callback(lambda _: arrived.put(_END))
        try:
            while not cancel.is_set():
                try:
                    found = arrived.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                if found is _END:
                    _raise(running)
                    return
                yield found
        finally:
            running.cancel()

    async def _pump(
        self, method: str, path: str, body: Any, arrived: queue.SimpleQueue[Any], *, whole: bool
    ) -> None:
        """Send, and put what comes into `arrived`."""
        async with self._translated():
            limit_s = self._timeouts.whole_s if whole else None
            sent = self._exchange(method, path, body, arrived, whole=whole)
            await asyncio.wait_for(sent, limit_s)

    async def _exchange(
        self, method: str, path: str, body: Any, arrived: queue.SimpleQueue[Any], *, whole: bool
    ) -> None:
        data = None
        if body is not None:
            # errors="replace": a lone surrogate in a buffer must not break the request.
            data = json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")
        headers = {"Content-Type": "application/json"}
        request = self._client.build_request(method, path, content=data, headers=headers)
        try:
            response = await self._sent(request)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            response = await self._sent(request)  # a kept connection may be closed at any time
        try:
            await self._tell(response, arrived, whole=whole)
        finally:
            await response.aclose()

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        sending = self._client.send(request, stream=True)
        return await asyncio.wait_for(sending, self._timeouts.first_byte_s)

    async def _tell(
        self, response: httpx2.Response, arrived: queue.SimpleQueue[Any], *, whole: bool
    ) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status_code != HTTPStatus.OK:
            raise await self._declined(response)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Declined(f"{self.host} sends a coding that was not asked for", 200)
        if not whole and kind == EVENTS:
            idle = 0
            async for line in _lines(self._bounded(response)):
                idle += len(line) + 1
                if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
                    arrived.put(self._parsed(line[5:], kind))
                    idle = 0
                elif idle > MOST_LINE_BYTES:
                    raise Declined(f"{self.host} sends an answer without an end", 200)
            return
        arrived.put(self._parsed(b"".join([part async for part in self._bounded(response)]), kind))

    async def _bounded(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        size, parts = 0, aiter(response.aiter_raw())
        wait_s = self._timeouts.first_byte_s  # headers may come before the prompt is read
        while True:
            try:
                part = await asyncio.wait_for(anext(parts), wait_s)
            except StopAsyncIteration:
                return
            wait_s, size = self._timeouts.between_s, size + len(part)
            if size > MOST_BYTES:
                raise Declined(f"{self.host} sends an answer without an end", response.status_code)
            yield part

    def _parsed(self, data: bytes, kind: str) -> Any:
        try:
            return json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            what = self.line(kind) or "something"
            raise Declined(
                f"{self.host} sent {what} that is no JSON: is remote.url right?", 200
            ) from None

    async def _declined(self, response: httpx2.Response) -> Exception:
        """What an answer means that is none."""
        status, host = response.status_code, self.host
        if 300 <= status < 400:  # noqa: PLR2004  redirects
            there = self.line(response.headers.get("Location", ""))
            return Declined(f"{host} redirects to {there}, which is not followed", status)
        said = await self._reason(response)
        if status in REFUSED:
            return KeyRefused(
                f"{host} refuses the key ({status}): set the variable that remote.apiKeyEnv names"
            )
        if status in GONE:
            reason: EngineError = Away(f"{host} is not ready ({status}{said})")
        else:
            reason = Declined(f"{host} declines ({status}{said})", status)
        if status in AGAIN:
            return _Busy(reason, _after_s(response.headers.get("Retry-After", "")))
        return reason

    async def _reason(self, response: httpx2.Response) -> str:
        """The server's own words, if it is one that we understand."""
        try:
            said = json.loads(b"".join([part async for part in self._bounded(response)]))
        except (ValueError, RecursionError, RequestRejected):
            return ""
        error = said.get("error", said) if isinstance(said, dict) else said
        message = error.get("message", error) if isinstance(error, dict) else error
        return f": {self.line(message)}" if isinstance(message, str) else ""

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Errors of the network, and of a host that keeps to no protocol, as ours."""
        try:
            yield
        except httpx2.ConnectTimeout:
            raise Away(f"{self.host} does not answer within {self._timeouts.connect_s} s") from None
        except (httpx2.TimeoutException, asyncio.TimeoutError):
            raise Away(f"{self.host} has sent nothing for too long") from None
        except httpx2.ConnectError as error:
            raise Away(f"{self.host} cannot be reached: {self.line(error)}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            what = self.line(error) or type(error).__name__
            raise Away(f"{self.host} broke off: {what}") from None


_END = object()  # of what arrives


class _Busy(Exception):
    """Asked to come again. `after_s`: when, if it said so."""

    def __init__(self, reason: EngineError, after_s: float | None) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.after_s = after_s


def _raise(running: Future[None]) -> None:
    try:
        running.result()
    except CancelledError:
        raise RequestRejected("the engine is closed") from None


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their breaks; events are made of them. A line without an end is refused."""
    rest = b""
    async for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(rest) > MOST_LINE_BYTES:
            raise Declined("the host sends a line without an end", HTTPStatus.OK)
    if rest:
        yield rest


def _after_s(header: str) -> float | None:
    """Retry-After in seconds, a number or a date; None where it says nothing."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
