# SPDX-License-Identifier: Apache-2.0
"""A model that is refused after it was loaded is freed at once: llama.cpp must not hang over it.

Guards against its server being closed before the loop of its thread has begun, which never ends.
"""

from __future__ import annotations

import subprocess
import sys

from tiny_models import write_tiny

TIMES = 20
TIMEOUT_S = 60
# In a process of its own: native code that hangs cannot be interrupted.
REFUSE = f"""
import sys
from pathlib import Path
from engine import llama
from engine.types import ModelRejected

llama.detect = lambda special: None  # at once: no request comes before the refusal
refused = 0
for _ in range({TIMES}):
    try:
        llama.LlamaEngine(Path(sys.argv[1]), "tiny", llama.LoadOptions(512, 512, gpu_layers=0))
    except ModelRejected:
        refused += 1
print(refused)
"""


def test_a_server_that_is_closed_right_after_it_opened_ends(tmp_path):
    path = write_tiny(tmp_path / "tiny.gguf", "qwen2")
    command = [sys.executable, "-c", REFUSE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert done.stdout.split() == [str(TIMES)]
