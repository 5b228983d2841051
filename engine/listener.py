# SPDX-License-Identifier: Apache-2.0
"""What llama.cpp's server offers only behind its loopback listener: tokenising, slot actions.

In: text, or a slot and a file's name. Out: token ids, or what the server did. Every request carries
the engine's random key. Knows nothing of prompts.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from engine.types import RequestRejected

LISTENER_IDLE_S = 4.0  # the listener closes connections that rest for five seconds
LISTENER_TIMEOUT_S = 10.0
ACTION_TIMEOUT_S = 120.0  # a state of gigabytes on a slow disk


class Listener:
    """The engine's loopback listener: one kept connection, one caller at a time."""

    def __init__(self, address: str, key: str) -> None:
        self._host, _, port = address.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": parse_special}
        answer = self._post("/tokenize", body)
        if "tokens" not in answer:
            raise RequestRejected(f"the engine could not tokenise: {one_line(answer)}")
        return [int(token) for token in answer["tokens"]]

    def act(self, slot: int, action: str, file_name: str) -> dict[str, Any]:
        """Save, restore or erase a slot; the file is in the folder that the engine was given.

        On a connection of its own: a long state takes longer than any other answer, and is not
        asked for twice. Raises RequestRejected.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ACTION_TIMEOUT_S)
        path = f"/slots/{slot}?action={action}"
        try:
            connection.request("POST", path, json.dumps({"filename": file_name}), self._headers)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RequestRejected(f"the engine does not answer: {one_line(error)}") from error
        finally:
            connection.close()
        if "error" in answer:
            raise RequestRejected(f"the engine could not {action} a state: {one_line(answer)}")
        return answer

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        # errors="replace": a lone surrogate in a buffer must not break the request.
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")
        with self._lock:
            if time.monotonic() - self._used > LISTENER_IDLE_S:
                self._drop()
            try:
                return self._exchange(path, data)
            except (OSError, http.client.HTTPException):
                self._drop()  # the listener may close a kept connection at any time: once more
            try:
                return self._exchange(path, data)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                raise RequestRejected(f"the engine does not answer: {one_line(error)}") from error

    def _exchange(self, path: str, data: bytes) -> dict[str, Any]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._host, self._port, timeout=LISTENER_TIMEOUT_S
            )
        self._connection.request("POST", path, data, self._headers)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        self._used = time.monotonic()
        return answer

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def one_line(error: object) -> str:
    """Any error as one line that fits into a message."""
    return " ".join(str(error).split())[:200]
