# SPDX-License-Identifier: Apache-2.0
"""llama.cpp inside our process, by way of xllamacpp. The only file that touches it.

In: a model file that `gguf.py` has accepted, and prompts as token ids. Out: streamed text and what
it cost. Knows nothing of files, layouts or editors.

xllamacpp runs llama.cpp's own server in this process. Requests go in by a direct call; only
tokenising exists solely behind the server's loopback listener, which therefore gets a random key.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.layout import detect
from engine.listener import Listener, one_line
from engine.request import Run, request, together
from engine.speed import Speed, decode_per_s, prefill_per_s, prior
from engine.state import Residency
from engine.types import (
    Completion,
    Costs,
    EngineInfo,
    ModelRejected,
    NotLoaded,
    OutOfMemory,
    Piece,
    Prompt,
    RequestRejected,
    Sampling,
    Slot,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.adapters import Adapter

# A cancel of a completion that still reads is seen between batches, so they are small. Measured on
# two quiet cores, 0.5B, dense, against a bare server with batches of 512: 0.67 of its reading speed
# with 16, 0.85 and 0.98 (two runs) with 64. Warm-ups give way sooner, by their slices.
# A mixture of experts reads nearly all experts for any batch above some 48 tokens.
# A hybrid goes back to a checkpoint, and makes one a micro-batch before the end, where the next
# prompt often parts: behind 1,900 tokens a key costs 65 in batches of 64, 153 in batches of 16.
BATCH_TOKENS = 64
OWNER_ONLY = 0o600  # a state holds source code
SPEED_PROBE_TOKENS = 32  # read once at load to learn this machine's speed: about half a second
SPEED_PROBE_DECODED = 4
# Warm-ups are read in slices, one request each: nothing is in flight when a slice has ended, so a
# completion waits for one slice at most, against two micro-batches inside of a request. Measured:
# slices of 8 cost 40 CPU-ms a token, of 16 29.6, one long request 26.3 (0.5B, busy).
SLICE_S = 0.08
LEAST_SLICE_TOKENS = 8
# Where not even those are read in time, they are halved when a pause begins: most pauses are short.
# (On two slow cores a pass over 8 tokens takes 220 ms, over 4 150, over one 70.)
SHORT_PAUSE_S = 2.0
FORGETTING = (0,)  # llama.cpp drops what a new prompt does not begin with; this is a lone "!"
# A hybrid's state can only return to a checkpoint, of tens of megabytes: few of them, and none for
# each slice. Within a slice a cancel is seen at the micro-batches.
HYBRID_SLICE_TOKENS = 256
SUFFIX_MARK = "<|fim_suffix|>"  # behind it is what changes with each key
# Twelve checkpoints at 256 tokens' distance kept each of 40 keys at 67 tokens at most, eight at 128
# let one cost 192; and a piece changed 3,000 tokens back costs a slice to read again. Closer ones
# are used up sooner. At the default distance of 8,192 only the first was kept, at 0 none.
CHECKPOINTS = 12
CHECKPOINT_STEP_TOKENS = 256


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a model. Zero threads mean: choose.

    `context_tokens` is the depth of each slot: the memory is that of `len(Slot)` times as many.
    `is_hybrid`: some layers keep a running state instead of keys and values. Without a
    `state_folder`, private to the user, states cannot be saved.
    `native_tokens` is the window that the model was trained for. A context beyond it is read with
    YaRN, by `yarn_factor`; at 1 the model's own positions are left alone. `overrides` are
    llama.cpp's rules PATTERN=BUFFER for tensors that stay off the GPU. `flash`, `batch_tokens` (0:
    by the kind of model), `repacked` (weights in a second form, for this processor) and `costs` are
    what was found best and measured here before, if it was. `adapters` change the weights.
    """

    context_tokens: int = 8192
    native_tokens: int = 0
    yarn_factor: int = 1
    threads: int = 0
    gpu_layers: int = -1
    kv_type: str = "f16"
    is_moe: bool = False
    is_hybrid: bool = False
    experts: int = 1
    experts_used: int = 1
    flash: bool = False
    batch_tokens: int = 0
    costs: Costs | None = None
    state_folder: Path | None = None
    overrides: str = ""
    repacked: bool = False
    adapters: tuple[Adapter, ...] = ()


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
            raise NotLoaded(f"llama.cpp could not load {path}: {one_line(error)}") from error
        self._listener = Listener(self._server.listening_address, key)
        self._folder = options.state_folder
        self._residency = Residency()
        self._is_hybrid = options.is_hybrid
        self._closed = False
        try:
            # First of all: a server that is closed before its loop has begun never ends.
            speed = self._measure_speed(options.costs)
            found = layout or self._detect(path)
            self._suffix_mark = self.special(SUFFIX_MARK)
        except BaseException:
            self.close()
            raise
        self._slice_tokens = _slice_tokens(options, speed[0])
        self._speed = Speed(_known(options, speed, self._slice_tokens))
        self._info = EngineInfo(
            model, options.context_tokens, *speed, found, _state_format(xllamacpp, options)
        )

    @property
    def info(self) -> EngineInfo:
        costs = self._speed.costs
        return replace(
            self._info,
            prefill_per_s=prefill_per_s(costs),
            decode_per_s=decode_per_s(costs),
            costs=costs,
        )

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
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        """Write after `prompt`, see `engine.types.Engine.complete`."""
        before = self._stop_where_prompts_part(prompt.token_ids, cancel, slot)
        before += self._stop_before_the_suffix(prompt.token_ids, cancel, slot)
        run = Run(cancel, listener)
        self._run(prompt.token_ids, sampling, run, slot)
        usage = run.usage()
        self._speed.add(usage)
        pieces = tuple(run.pieces)
        return Completion("".join(pieces), run.stopped_by, together([*before, usage]), pieces)

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        """Read `prompt` into a slot's state in slices; nothing is written."""
        total = len(prompt.token_ids)
        if total > self._info.context_tokens:
            raise RequestRejected(
                f"a prompt of {total} tokens exceeds the context of {self._info.context_tokens}"
            )
        spent = self._stop_where_prompts_part(prompt.token_ids, cancel, slot)
        # A slice of one batch is read to its end in any case: so we know what is resident.
        stop = cancel if self._is_hybrid else threading.Event()
        end = self._residency.common(slot, prompt.token_ids)
        slow = self._slice_tokens == LEAST_SLICE_TOKENS
        long_from = time.perf_counter() + (SHORT_PAUSE_S if slow else 0.0)
        while True:
            halves = 2 if time.perf_counter() < long_from else 1
            end = min(end + self._slice_tokens // halves, total)
            spent.append(self._read(prompt.token_ids[:end], stop, slot))
            if end == total or cancel.is_set():
                return replace(together(spent), prompt_tokens=total)

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> tuple[int, ...]:
        """The tokens whose state a slot holds, see `engine.state`."""
        return self._residency.tokens(slot)

    def save(self, slot: Slot, path: Path) -> tuple[int, ...]:
        """Write a slot's state to `path`, see `engine.types.Engine.save`."""
        self._check_folder(path)
        path.touch(mode=OWNER_ONLY, exist_ok=False)
        tokens = self.resident(slot)
        try:
            self._listener.act(slot, "save", path.name)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return tokens

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        """Put a saved state into a slot, see `engine.types.Engine.restore`."""
        self._check_folder(path)
        self._residency.set(slot, ())
        found = self._listener.act(slot, "restore", path.name)["n_restored"]
        if found < len(token_ids):
            self._listener.act(slot, "erase", path.name)
            raise RequestRejected(f"{found} of {len(token_ids)} tokens were restored")
        self._residency.set(slot, token_ids)

    def forget(self, slot: Slot) -> None:
        """Drop a slot's state: a prompt of one token that no other begins with takes its place."""
        self._residency.set(slot, ())
        self._read(FORGETTING, threading.Event(), slot)

    def close(self) -> None:
        """Free the model and close the listener."""
        self._closed = True
        self._listener.close()
        self._server = None

    def _detect(self, path: Path) -> str:
        found = detect(self.special)
        if found is None:
            raise ModelRejected(
                f"{path}: the vocabulary has neither fill-in-the-middle tokens nor turns that are "
                "known here; see `ghostwright models list` for models that work"
            )
        return found

    def _check_folder(self, path: Path) -> None:
        if self._closed:
            raise RequestRejected("the engine is closed")
        if path.parent != self._folder:
            raise RequestRejected(f"states of this engine are not kept in {path.parent}")

    def _read(self, token_ids: tuple[int, ...], cancel: threading.Event, slot: Slot) -> Usage:
        run = Run(cancel, lambda _: True)
        self._run(token_ids, Sampling(max_tokens=0), run, slot)
        usage = replace(run.usage(), decoded_tokens=0)
        self._speed.add(usage)
        return usage

    def _stop_where_prompts_part(
        self, token_ids: tuple[int, ...], cancel: threading.Event, slot: Slot
    ) -> list[Usage]:
        """Hybrids only: read to where this prompt and the one before it part, and no further.

        A checkpoint is made there, and while the user types the next prompt parts a little behind:
        without it every key would be read from the start.
        """
        common = self._residency.common(slot, token_ids)
        at_end = common in {len(token_ids), len(self._residency.tokens(slot))}
        if not self._is_hybrid or not common or at_end or cancel.is_set():
            return []
        return [self._read(token_ids[:common], cancel, slot)]

    def _stop_before_the_suffix(
        self, token_ids: tuple[int, ...], cancel: threading.Event, slot: Slot
    ) -> list[Usage]:
        """Hybrids only: where nothing was read ahead, read to where the next prompt will part.

        The next key is typed before the suffix. Its prompt parts from this one there.
        """
        if not self._is_hybrid or self._suffix_mark not in token_ids or cancel.is_set():
            return []
        behind = token_ids.index(self._suffix_mark)
        if behind - self._residency.common(slot, token_ids) <= BATCH_TOKENS:
            return []
        return [self._read(token_ids[:behind], cancel, slot)]

    def _run(self, token_ids: tuple[int, ...], sampling: Sampling, run: Run, slot: Slot) -> None:
        if self._closed:
            raise RequestRejected("the engine is closed")
        self._server.handle_completions(request(token_ids, sampling, slot), run.on_event)
        if run.prompt_tokens:  # not refused before it was begun
            self._residency.set(slot, () if run.error else run.resident(token_ids))
        if run.error:
            raise RequestRejected(run.error)

    def _measure_speed(self, costs: Costs | None) -> tuple[float, float]:
        """Read and write a few tokens: (prefill, decode) in tokens a second.

        One each where the costs are known: that is a third of the time that a load takes.
        """
        ids = self.tokenize("the quick brown fox jumps over the lazy dog 0123456789\n" * 8)
        run = Run(threading.Event(), lambda _: True)
        sampling = Sampling(max_tokens=SPEED_PROBE_DECODED if costs is None else 1)
        tokens = ids[: SPEED_PROBE_TOKENS if costs is None else 1]
        self._run(tuple(tokens), sampling, run, Slot.KEYSTROKE)
        if costs is not None:
            return prefill_per_s(costs), decode_per_s(costs)
        return (
            round(float(run.timings.get("prompt_per_second", 0.0)), 1),
            round(float(run.timings.get("predicted_per_second", 0.0)), 1),
        )


def _import_native() -> Any:
    # Spinning OpenMP threads collapse on a shared machine: 0.53 tokens a second against 13.99
    # while a compiler ran (0.5B). The library reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # noqa: PLC0415  0.1 s and 34 MB: only when a model is wanted

    return xllamacpp


def _params(xllamacpp: Any, path: Path, options: LoadOptions, key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    # Without a unified cache llama.cpp gives each slot its share of n_ctx and looks back at that
    # slot's tokens only. Unified, memory is shared and so is work: with 2,500 tokens in the deep
    # slot a keystroke's tail cost 25 % more CPU; apart, with 3,000, 11 % (noise: busy machine).
    params.n_ctx = options.context_tokens * len(Slot)
    params.n_parallel = len(Slot)
    params.kv_unified = False
    params.slot_prompt_similarity = 0.0  # each request names its slot
    params.cache_idle_slots = False  # both slots stay as they are
    # Shifting saves work only where text was deleted (1 token read instead of 148), none where it
    # was replaced, as strata are; and what stays has been read with the deleted text before it.
    params.n_cache_reuse = 0
    params.n_ctx_checkpoints = CHECKPOINTS
    params.checkpoint_min_step = CHECKPOINT_STEP_TOKENS
    if options.state_folder is not None:
        params.slot_save_path = f"{options.state_folder}{os.sep}"
    if options.yarn_factor > 1:
        _extend_context(xllamacpp, params, options)
    params.n_batch = params.n_ubatch = _batch_tokens(options)
    threads = options.threads or default_threads()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = options.gpu_layers
    if options.overrides:
        params.tensor_buft_overrides = options.overrides
    params.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(str(adapter.path), adapter.scale)
        for adapter in options.adapters
    ]
    quantised = options.kv_type == "q8_0"
    kv_type = xllamacpp.ggml_type.GGML_TYPE_Q8_0 if quantised else xllamacpp.ggml_type.GGML_TYPE_F16
    params.cache_type_k = params.cache_type_v = kv_type
    # Flash attention is slower on a CPU beyond 1,000 tokens, so it must have been measured to be
    # quicker (`tuning.py`); a quantised cache needs it.
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if quantised or options.flash
        else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.no_extra_bufts = not options.repacked
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


def gpu_free_bytes() -> int:
    """Memory that is free on all GPUs that this build of llama.cpp can use; 0 without one."""
    xllamacpp = _import_native()
    gpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU  # not one that shares RAM
    devices = xllamacpp.get_device_info()
    return sum(int(device["memory_free"]) for device in devices if device["type"] == gpu)


def default_threads() -> int:
    """Physical cores: a second thread on the same core only adds waiting."""
    import psutil  # noqa: PLC0415  only when loading

    return psutil.cpu_count(logical=False) or os.cpu_count() or 2


def _batch_tokens(options: LoadOptions) -> int:
    return options.batch_tokens or BATCH_TOKENS


def _known(options: LoadOptions, speed: tuple[float, float], slice_tokens: int) -> Costs:
    """What is known of the costs at load: as measured earlier, else from the two speeds."""
    batch = _batch_tokens(options)
    if options.costs is not None:
        return replace(options.costs, batch_tokens=batch, slice_tokens=slice_tokens)
    return prior(
        *speed,
        experts=options.experts,
        experts_used=options.experts_used,
        batch_tokens=batch,
        slice_tokens=slice_tokens,
    )


def _slice_tokens(options: LoadOptions, prefill_per_s: float) -> int:
    """How many tokens of a warm-up are read before a completion may come in between."""
    if options.is_hybrid:
        return HYBRID_SLICE_TOKENS
    if options.is_moe:
        return _batch_tokens(options)
    return min(_batch_tokens(options), max(LEAST_SLICE_TOKENS, int(prefill_per_s * SLICE_S)))


def _state_format(xllamacpp: Any, options: LoadOptions) -> str:
    """All that a saved state depends on, but for the model and the slot."""
    # With flash attention values are laid out otherwise.
    kv = f"{options.kv_type}{'-flash' if options.flash else ''}"
    adapters = [adapter.key for adapter in options.adapters]
    settings = (options.context_tokens, kv, options.yarn_factor, *adapters)
    return " ".join(map(str, ("xllamacpp", xllamacpp.__version__, *settings)))
