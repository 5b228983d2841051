# SPDX-License-Identifier: Apache-2.0
"""llama.cpp inside our process, by way of xllamacpp. The only file that touches it.

In: a model file that `gguf.py` has accepted, and prompts as token ids. Out: streamed text and what
it cost. Knows nothing of files, layouts or editors.

xllamacpp runs llama.cpp's own server in this process. Requests go in by a direct call; only
tokenising exists solely behind the server's loopback listener, which therefore gets a random key.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.layout import detect
from engine.types import (
    Completion,
    EngineInfo,
    ModelRejected,
    OutOfMemory,
    Prompt,
    RequestRejected,
    Sampling,
    StoppedBy,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A cancel is seen between micro-batches, so they are small. Measured on two cores, 0.5B, dense: in
# batches of 16 a token costs 27.5 CPU-ms, of 32 27.9, of 256 28.
DENSE_BATCH_TOKENS = 16
# A mixture of experts reads nearly all experts for any batch above some 48 tokens: fewer, larger.
MOE_BATCH_TOKENS = 64
SPEED_PROBE_TOKENS = 32  # read once at load to learn this machine's speed: about half a second
SPEED_PROBE_DECODED = 4
LISTENER_IDLE_S = 4.0  # the listener closes connections that rest for five seconds
LISTENER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a model. Zero threads mean: choose.

    `native_tokens` is the window that the model was trained for. A context beyond it is read with
    YaRN, by `yarn_factor`; at 1 the model's own positions are left alone.
    """

    context_tokens: int = 8192
    native_tokens: int = 0
    yarn_factor: int = 1
    threads: int = 0
    gpu_layers: int = -1
    kv_type: str = "f16"
    is_moe: bool = False


class LlamaEngine:
    """An `engine.types.Engine` on a file. Loading blocks; do it off the event loop."""

    def __init__(self, path: Path, model: str, options: LoadOptions, layout: str = "") -> None:
        """Load `path`; without a `layout` its vocabulary decides.

        Raises ModelRejected or OutOfMemory with one line that names the file.
        """
        xllamacpp = _import_native()
        key = secrets.token_urlsafe(24)
        params = _params(xllamacpp, path, options, key)
        try:
            self._server = xllamacpp.Server(params)
        except MemoryError as error:
            raise OutOfMemory(f"{path.name} does not fit into memory") from error
        except Exception as error:
            raise ModelRejected(f"llama.cpp could not load {path}: {_one_line(error)}") from error
        self._listener = _Listener(self._server.listening_address, key)
        self._closed = False
        found = layout or detect(self.special)
        if found is None:
            self.close()
            raise ModelRejected(
                f"{path}: the vocabulary has neither fill-in-the-middle tokens nor turns that are "
                "known here; see `ghostwright models list` for models that work"
            )
        speed = self._measure_speed()
        self._info = EngineInfo(model, options.context_tokens, *speed, found)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def tokenize(self, text: str) -> list[int]:
        """Ids of plain text; `<|fim_prefix|>` in a file stays seven ordinary tokens."""
        return self._listener.tokenize(text, parse_special=False)

    def special(self, name: str) -> int | None:
        """The id of a special token by its name: vocabularies number them differently."""
        ids = self._listener.tokenize(name, parse_special=True)
        return ids[0] if len(ids) == 1 else None

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[str], bool],
    ) -> Completion:
        """Write after `prompt`, see `engine.types.Engine.complete`."""
        run = _Run(cancel, listener)
        self._handle(_request(prompt, sampling), run)
        return Completion("".join(run.pieces), run.stopped_by, run.usage())

    def warm(self, prompt: Prompt, cancel: threading.Event) -> Usage:
        """Read `prompt` into the engine's state; nothing is written."""
        run = _Run(cancel, lambda _: True)
        self._handle(_request(prompt, Sampling(max_tokens=0)), run)
        return replace(run.usage(), decoded_tokens=0)

    def close(self) -> None:
        """Free the model and close the listener."""
        self._closed = True
        self._listener.close()
        self._server = None

    def _handle(self, request: dict[str, Any], run: _Run) -> None:
        if self._closed:
            raise RequestRejected("the engine is closed")
        self._server.handle_completions(request, run.on_event)
        if run.error:
            raise RequestRejected(run.error)

    def _measure_speed(self) -> tuple[float, float]:
        """Read and write a few tokens: (prefill, decode) in tokens a second."""
        ids = self.tokenize("the quick brown fox jumps over the lazy dog 0123456789\n" * 8)
        prompt = Prompt(tuple(ids[:SPEED_PROBE_TOKENS]), ())
        run = _Run(threading.Event(), lambda _: True)
        request = _request(prompt, Sampling(max_tokens=SPEED_PROBE_DECODED))
        self._handle({**request, "ignore_eos": True}, run)
        return (
            round(float(run.timings.get("prompt_per_second", 0.0)), 1),
            round(float(run.timings.get("predicted_per_second", 0.0)), 1),
        )


@dataclass(slots=True)
class _Run:
    """One request as its events come in, on the thread that made the call."""

    cancel: threading.Event
    listener: Callable[[str], bool]
    pieces: list[str] = field(default_factory=list)
    stopped_by: StoppedBy = "end"
    error: str = ""
    timings: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    processed_tokens: int = 0
    decoded_tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None

    def on_event(self, event: dict[str, Any]) -> bool:
        """Take one event; True tells llama.cpp to stop."""
        if "error" in event:
            self.error = _one_line(event["error"].get("message", event["error"]))
            return True
        progress = event.get("prompt_progress")
        if progress:
            self.prompt_tokens = int(progress["total"])
            self.cached_tokens = int(progress["cache"])
            self.processed_tokens = int(progress["processed"])
        elif self._take_text(event):
            return True
        if self.cancel.is_set():
            self.stopped_by = "cancelled"
            return True
        return False

    def _take_text(self, event: dict[str, Any]) -> bool:
        """Take a piece of text or the closing event; True when the listener has enough."""
        choice = event["choices"][0]
        if event.get("timings"):
            self.timings = event["timings"]
        if choice.get("finish_reason"):
            self.stopped_by = "length" if choice["finish_reason"] == "length" else "end"
            return False
        if self.first_token is None:
            self.first_token = time.perf_counter()
        self.decoded_tokens += 1
        self.processed_tokens = self.prompt_tokens
        text = choice.get("text") or ""
        if not text:
            return False
        self.pieces.append(text)
        if not self.listener(text):
            self.stopped_by = "listener"
            return True
        return False

    def usage(self) -> Usage:
        now = time.perf_counter()
        read = self.prompt_tokens if self.timings else self.processed_tokens
        return Usage(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            evaluated_tokens=max(0, read - self.cached_tokens),
            decoded_tokens=self.decoded_tokens,
            ttft_ms=round(((self.first_token or now) - self.started) * 1000, 1),
            total_ms=round((now - self.started) * 1000, 1),
        )


class _Listener:
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
            raise RequestRejected(f"the engine could not tokenise: {_one_line(answer)}")
        return [int(token) for token in answer["tokens"]]

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
                raise RequestRejected(f"the engine does not answer: {_one_line(error)}") from error

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


def _import_native() -> Any:
    # Spinning OpenMP threads collapse on a shared machine: 0.53 tokens a second against 13.99
    # while a compiler ran (0.5B). The library reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # noqa: PLC0415  0.1 s and 34 MB: only when a model is wanted

    return xllamacpp


def _params(xllamacpp: Any, path: Path, options: LoadOptions, key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = options.context_tokens
    if options.yarn_factor > 1:
        _extend_context(xllamacpp, params, options)
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = MOE_BATCH_TOKENS if options.is_moe else DENSE_BATCH_TOKENS
    threads = options.threads or default_threads()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = options.gpu_layers
    quantised = options.kv_type == "q8_0"
    kv_type = xllamacpp.ggml_type.GGML_TYPE_Q8_0 if quantised else xllamacpp.ggml_type.GGML_TYPE_F16
    params.cache_type_k = params.cache_type_v = kv_type
    # Flash attention is slower on a CPU beyond 1,000 tokens; a quantised cache needs it.
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED if quantised else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.no_extra_bufts = True  # repacked weights double the memory and were not faster
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
    params.fit_params = False  # sizes are decided here, not silently changed
    params.warmup = False  # the speed probe does the same
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    params.n_threads_http = 2  # tokenising only; the default is one thread a core and more
    params.api_keys = [key]
    params.cors_origins = "null"
    return params


def _extend_context(xllamacpp: Any, params: Any, options: LoadOptions) -> None:
    """YaRN: without it llama.cpp caps the context at what the model was trained for."""
    params.rope_scaling_type = xllamacpp.llama_rope_scaling_type.LLAMA_ROPE_SCALING_TYPE_YARN
    params.rope_freq_scale = 1 / options.yarn_factor
    params.yarn_orig_ctx = options.native_tokens


def default_threads() -> int:
    """Physical cores: a second thread on the same core only adds waiting."""
    import psutil  # noqa: PLC0415  only when loading

    return psutil.cpu_count(logical=False) or os.cpu_count() or 2


def _request(prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    return {
        "prompt": list(prompt.token_ids),
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        "id_slot": 0,
    }


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200]
