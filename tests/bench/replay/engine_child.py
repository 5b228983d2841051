# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's own listener on the same engine and model, in a process of its own.

`python -m tests.bench.replay.engine_child MODEL CONTEXT_TOKENS` prints one line of JSON with the
listener's address and key, and ends with its standard input. Threads, memory and attention are as
Ghostwright sets them; batches and the shifting of chunks as llama.vim's instructions for the server
have them, since `/infill` cuts what it is given to the size of a batch.
"""

from __future__ import annotations

import json
import os
import secrets
import sys

from engine.llama import default_threads

BATCH_TOKENS = 1024
REUSED_CHUNK_TOKENS = 256
PREDICTED_TOKENS = 128  # `/infill` leaves room for twice as many when it cuts the chunks


def main() -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in our own engine; read when loaded
    import xllamacpp  # noqa: PLC0415

    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx = int(sys.argv[2])
    params.n_parallel = 1
    params.n_predict = PREDICTED_TOKENS
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.n_cache_reuse = REUSED_CHUNK_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = default_threads()
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_extra_bufts = True
    params.cache_ram_mib = 0
    params.fit_params = False
    params.verbosity = -1
    params.ui = False
    key = secrets.token_urlsafe(24)
    params.api_keys = [key]
    params.cors_origins = "null"
    server = xllamacpp.Server(params)
    print(json.dumps({"address": server.listening_address, "key": key}), flush=True)
    sys.stdin.read()
    os._exit(0)  # whatever it still computes


if __name__ == "__main__":
    main()
