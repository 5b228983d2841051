# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own HTTP server, as xllamacpp ships it, in a process of its own; and that process.

In: a model file, a port. Out: `http://127.0.0.1:PORT`. Run as a script it serves until its standard
input ends, so that it does not outlive the tests.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 120.0  # to load 0.5 GB on a busy machine
BATCH_TOKENS = 64  # as in our process: other batches, other rounding
CONTEXT_TOKENS = 4096


class LlamaServer:
    """Use as a context manager; `kill` and `start` in between as it comes."""

    def __init__(self, model: Path, key: str = "") -> None:
        self._model = model
        self._key = key
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, __file__, str(self._model), str(self.port)]
        environment = {**os.environ, "SERVER_KEY": self._key, "OMP_WAIT_POLICY": "passive"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            assert self._process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not get ready"
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def __enter__(self) -> LlamaServer:  # noqa: PYI034  typing.Self needs Python 3.11
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
            return True
        return False


def main(model: str, port: str) -> None:
    import xllamacpp  # noqa: PLC0415  in the child only

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    if os.environ.get("SERVER_KEY"):
        params.api_keys = [os.environ["SERVER_KEY"]]
    params.n_ctx = CONTEXT_TOKENS * 2
    params.n_parallel = 2
    params.kv_unified = False
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_extra_bufts = True
    params.n_gpu_layers = 0
    server = xllamacpp.Server(params)
    sys.stdin.buffer.read()
    del server


if __name__ == "__main__":
    main(*sys.argv[1:])
