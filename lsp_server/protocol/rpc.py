# SPDX-License-Identifier: Apache-2.0
"""A language server's conversation: from a message to the one answer that it gets.

In: JSON values from `framing.py` and handlers registered with pygls. Out: exactly one answer a
request, with the right code. pygls keeps its registry of handlers and its capabilities; what it
leaves undone on the way of a message is done here. No documents, no threads, no pipes.

Every message becomes an asyncio task, in the order of arrival. Tasks start in that order too, so
that whatever a handler does before its first `await` sees the effects of all earlier messages
and of no later one. `$/cancelRequest` cancels the task.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcServerNotInitialized,
)
from pygls.feature_manager import is_thread_function
from pygls.protocol import LanguageServerProtocol, default_converter, lsp_method

from lsp_server.protocol import framing, lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cattrs import Converter
    from pygls.lsp.server import LanguageServer

    from lsp_server.positions import Encoding

Phase = Literal["new", "running", "shutdown"]
MessageId = int | str

REQUEST_CANCELLED: Final = -32800
INTERNAL_ERROR: Final = -32603
MAX_UINT: Final = 2**31 - 1  # the protocol's own bound; some editors send more for "the end"

# pygls' own text store splits lines where editors do not and is slow; ours is documents.py.
_NOT_FROM_PYGLS: Final = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
    types.EXIT,
)

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """pygls' registry of handlers and capabilities, with our own way from a message to its answer.

    `position_encoding` is valid once `initialize` has been received. `undecodable(method, params)`,
    when set, hears of notifications whose parameters could not be decoded.
    """

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.position_encoding: Encoding = "utf-16"
        self.undecodable: Callable[[str, Any], None] | None = None
        self.phase: Phase = "new"
        self._answering: dict[MessageId, asyncio.Task[Any]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[Any] | None = None
        self._send: Callable[[bytes], None] | None = None
        self._end: Callable[[], None] | None = None
        self._at_stop: list[Callable[[], None]] = []
        self._stopped = threading.Lock()  # taken once, never released
        self.exit_code = 1  # until something says otherwise

    def attach(self, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        """Join a transport: `send` takes a framed message, `end` stops reading. From any thread."""
        self._send, self._end = send, end

    def at_stop(self, callback: Callable[[], None]) -> None:
        """Call back as soon as the process has to end, whatever the reason, from any thread."""
        self._at_stop.append(callback)

    def stop(self, code: int, reason: str) -> None:
        """End the process in order, with this exit code. From any thread; the first call counts."""
        if not self._stopped.acquire(blocking=False):
            return
        _log.info("ending with code %d: %s", code, reason)
        self.exit_code = code
        if self._end is not None:
            self._end()
        for callback in self._at_stop:
            callback()

    async def closed(self, timeout_s: float) -> None:
        """Wait until a shutdown that was asked for has been answered, but not longer than that."""
        if self._closing is not None:
            await asyncio.wait([self._closing], timeout=timeout_s)
            await asyncio.sleep(0)  # its answer is written by a callback of the finished task

    def lost(self, reason: str) -> None:
        """The client is gone. Runs on the loop."""
        self.stop(0 if self.phase == "shutdown" else 1, reason)

    # -- what arrives ------------------------------------------------------------------------

    def receive(self, message: Any) -> None:
        """Take one decoded JSON value (or a Malformed) from the client. Runs on the loop."""
        if isinstance(message, framing.Malformed):
            _log.warning("a message was refused: %s", message.reason)
            self._answer_error(None, message.code, message.reason)
        elif not isinstance(message, dict):
            _log.warning("a message was refused: not an object")
            self._answer_error(None, JsonRpcInvalidRequest.CODE, "not a single request object")
        elif "method" in message:
            self._receive_call(message)
        elif _is_id(message.get("id")) and ("result" in message or "error" in message):
            self._receive_response(message)
        else:
            self._refuse(message, "neither a request nor a response")

    def _receive_call(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if message.get("jsonrpc") != self.VERSION or not isinstance(method, str):
            self._refuse(message, "not JSON-RPC 2.0")
        elif "id" not in message:
            self._receive_notification(method, message)
        elif not _is_id(message["id"]):
            self._refuse(message, "an id is a number or a text")
        else:
            self._receive_request(message["id"], method, message)

    def _refuse(self, message: dict[str, Any], reason: str) -> None:
        _log.warning("a message was refused: %s", reason)
        msg_id = message.get("id")
        self._answer_error(msg_id if _is_id(msg_id) else None, JsonRpcInvalidRequest.CODE, reason)

    def _receive_request(self, msg_id: MessageId, method: str, message: dict[str, Any]) -> None:
        try:
            if msg_id in self._answering:
                raise JsonRpcInvalidRequest("this id is in use by an unanswered request")
            self._check_phase(method)
            handler = self._get_handler(method)
            params = self._decode_params(method, message)
        except JsonRpcException as error:
            self._answer_error(msg_id, error.code, error.message)
            return
        if method == types.INITIALIZE:
            self.phase = "running"
        elif method == types.SHUTDOWN:
            self.phase = "shutdown"
        # Handlers reach their own id through `protocol.msg_id`; the task copies the context.
        token = self._ctx_msg_id.set(msg_id)
        task = asyncio.ensure_future(self._call(handler, params))
        self._ctx_msg_id.reset(token)
        self._answering[msg_id] = task
        if method == types.SHUTDOWN:
            self._closing = task
        task.add_done_callback(partial(self._answer, msg_id, method))

    def _check_phase(self, method: str) -> None:
        if self.phase == "new" and method != types.INITIALIZE:
            raise JsonRpcServerNotInitialized("the first request must be initialize")
        if self.phase == "shutdown":
            raise JsonRpcInvalidRequest("the server is shutting down")
        if self.phase == "running" and method == types.INITIALIZE:
            raise JsonRpcInvalidRequest("initialize was already received")

    def _receive_notification(self, method: str, message: dict[str, Any]) -> None:
        if method == types.EXIT:
            # Not at once: what came before has its first step still to run.
            asyncio.get_running_loop().call_soon(self.lost, "exit")
            return
        if self.phase != "running":
            return  # by the protocol, dropped
        if method == types.CANCEL_REQUEST:
            self._cancel(message.get("params"))
            return
        try:
            handler = self._get_handler(method)
            params = self._decode_params(method, message)
        except JsonRpcMethodNotFound:
            return  # editors send many that nobody asked for
        except JsonRpcException as error:
            _log.warning("the notification %s was refused: %s", method, error.message)
            if self.undecodable is not None:
                self._start(method, self.undecodable, method, message.get("params"))
        else:
            self._start(method, handler, params)

    def _start(self, method: str, handler: Callable[..., Any], *args: Any) -> None:
        """Run the handler of a notification, in its turn."""
        task = asyncio.ensure_future(self._call(handler, *args))
        self._background.add(task)
        task.add_done_callback(partial(self._forget, method))

    def _cancel(self, params: Any) -> None:
        msg_id = params.get("id") if isinstance(params, dict) else None
        if _is_id(msg_id) and msg_id in self._answering:
            self._answering[msg_id].cancel()

    def _decode_params(self, method: str, message: dict[str, Any]) -> Any:
        """Parameters as lsprotocol's class; of methods that it does not know, as they came."""
        message_type = self.get_message_type(method)
        if message_type is None:
            return message.get("params")
        try:
            return getattr(self._converter.structure(message, message_type), "params", None)
        except Exception as error:
            raise JsonRpcInvalidParams("the parameters do not fit this method") from error

    # -- running handlers --------------------------------------------------------------------

    async def _call(self, handler: Callable[..., Any], *args: Any) -> Any:
        """Run any kind of handler: async, plain, in a thread, or one of pygls' generators."""
        if is_thread_function(handler):  # type: ignore[no-untyped-call]
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._server.thread_pool, partial(handler, *args))
        result = handler(*args)
        if inspect.isgenerator(result):
            return await self._drive(result)
        return await result if inspect.isawaitable(result) else result

    async def _drive(self, steps: Generator[Any, Any, Any]) -> Any:
        """Handlers of pygls yield (handler, args, kwargs) to have ours called."""
        result: Any = None
        try:
            while True:
                handler, args, _ = steps.send(result)
                result = await self._call(handler, *args)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    def _answer(self, msg_id: MessageId, method: str, task: asyncio.Task[Any]) -> None:
        """The only way from a request that was accepted to its answer; runs once a task."""
        del self._answering[msg_id]
        if task.cancelled():
            self._answer_error(msg_id, REQUEST_CANCELLED, "the request was cancelled")
            return
        error = task.exception()
        if error is None:
            self._answer_result(msg_id, method, task.result())
        elif isinstance(error, JsonRpcException):
            self._answer_error(msg_id, error.code, error.message)
        else:
            _log.error("%s failed", method, exc_info=error)
            self._answer_error(msg_id, INTERNAL_ERROR, f"{method} failed: {type(error).__name__}")
        if method == types.INITIALIZE and error is not None:
            self.phase = "new"

    def _forget(self, method: str, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", method, exc_info=error)

    # -- what leaves -------------------------------------------------------------------------

    def _answer_result(self, msg_id: MessageId, method: str, result: Any) -> None:
        payload = {"jsonrpc": self.VERSION, "id": msg_id, "result": result}
        if not self._send_data(payload):
            self._answer_error(msg_id, INTERNAL_ERROR, f"{method} failed: result is no JSON")

    def _answer_error(self, msg_id: MessageId | None, code: int, message: str) -> None:
        error = {"code": code, "message": message}  # never `data`: pygls puts tracebacks there
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": error})

    def _send_data(self, data: Any) -> bool:
        """Send any message, from any thread. pygls' notify and send_request end here as well."""
        if self._send is None:
            return False
        try:
            message = framing.encode(self._converter.unstructure(data))
        except Exception as error:  # noqa: BLE001  whatever a handler returned may fail in any way
            _log.error("a message could not be written as JSON", exc_info=error)
            return False
        self._send(message)
        return True

    def _receive_response(self, message: dict[str, Any]) -> None:
        """The client's answer to a request of ours."""
        msg_id = message["id"]
        future = self._request_futures.pop(msg_id, None)
        result_type = self._result_types.pop(msg_id, None)
        if future is None or not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._decode_result(message, result_type))
        except JsonRpcException as error:
            future.set_exception(error)

    def _decode_result(self, message: dict[str, Any], result_type: Any) -> Any:
        if (error := message.get("error")) is not None:
            fields = error if isinstance(error, dict) else {}
            code, text = fields.get("code"), fields.get("message")
            raise JsonRpcException(
                str(text or "the client gave no reason"), code if isinstance(code, int) else None
            )
        if result_type is None:
            return message.get("result")
        try:
            return self._converter.structure(message, result_type).result
        except Exception as problem:
            raise JsonRpcException("the client's answer does not fit the request") from problem

    # -- pygls' own handlers, where ours differ ----------------------------------------------

    def _register_builtin_features(self) -> None:
        super()._register_builtin_features()  # type: ignore[no-untyped-call]
        for method in _NOT_FROM_PYGLS:
            self.fm.builtin_features.pop(method, None)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        self.position_encoding = _choose_encoding(params.capabilities)
        general = params.capabilities.general or types.GeneralClientCapabilities()
        # pygls takes the client's first choice; we leave it only one.
        general.position_encodings = [types.PositionEncodingKind(self.position_encoding)]
        params.capabilities.general = general
        if params.process_id is not None:
            gone = partial(self.stop, 1, "the client's process is gone")
            self.at_stop(lifecycle.watch_parent(params.process_id, gone).set)
        return (yield from super().lsp_initialize(params))

    @lsp_method(types.SHUTDOWN)
    async def lsp_shutdown(self, *args: Any) -> None:  # type: ignore[override]  # ours is async
        """Cancel what is unfinished, then let the user's handler close what it has open."""
        this = asyncio.current_task()
        for task in [*self._answering.values(), *self._background]:
            if task is not this:
                task.cancel()
        if (handler := self.fm.features.get(types.SHUTDOWN)) is not None:
            await self._call(handler, *args)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]  # ours is async
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """Call the command's handler with the JSON arguments as they came."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams("there is no such command")
        arguments = tuple(params.arguments or ())
        function = getattr(handler, "func", handler)  # pygls hides the one that wants the server
        given = arguments if function is handler else (self._server, *arguments)
        try:
            inspect.signature(function).bind(*given)
        except TypeError as error:
            raise JsonRpcInvalidParams("the command takes other arguments") from error
        return await self._call(handler, *arguments)


def _is_id(value: Any) -> TypeGuard[MessageId]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _choose_encoding(capabilities: types.ClientCapabilities) -> Encoding:
    """UTF-8 costs us least; without it UTF-16, which every client knows."""
    offered = (capabilities.general and capabilities.general.position_encodings) or ()
    wanted: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
    return next((encoding for encoding in wanted if encoding in offered), "utf-16")


def lenient_converter() -> Converter:
    """The converter of pygls, with positions beyond the protocol's numbers clamped, not refused."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_structure_hook(types.Position, _position)
    return converter


def _position(value: Any, _: type[types.Position]) -> types.Position:
    return types.Position(line=_uint(value["line"]), character=_uint(value["character"]))


def _uint(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some clients' JSON writes 3.0
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a number")
    return max(0, min(value, MAX_UINT))
