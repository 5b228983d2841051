# SPDX-License-Identifier: Apache-2.0
"""What a session says and keeps of a model that it loads (E3): a real tiny model, no editor."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tiny_models import write_tiny

from engine import tuning
from lsp_server.session import Session
from lsp_server.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    path = write_tiny(tmp_path / "long.gguf", "qwen3moe", context_tokens=65_536)
    return replace(Settings(), modelPath=str(path), contextTokens=40_000, shared=False)


async def loaded(session: Session) -> None:
    session.start()
    await asyncio.wrap_future(session.worker.ready)
    session.loaded()


async def test_E3_a_context_that_was_stepped_down_is_said_to_the_user_once(settings, monkeypatch):
    free = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=110_000_000))
    monkeypatch.setattr("engine.load.psutil", free)
    warnings, states = [], []
    session = Session(
        settings,
        [],
        on_status=lambda status: states.append(status.state),
        on_warning=warnings.append,
    )
    await loaded(session)
    session.pause(paused=True)
    session.pause(paused=False)
    assert len(warnings) == 1
    assert "a context of 40,064 tokens does not fit; it has" in warnings[0]
    assert "ready" in states
    session.close()


async def test_the_next_session_begins_with_what_this_one_has_measured(settings, tmp_path):
    """Else a noisy second at load would decide the budget, and a saved state would not fit it."""
    session = Session(replace(settings, contextTokens=0), [])
    assert session.speed() == {}
    assert session.resident_tokens() == 0
    await loaded(session)
    shown = session.speed()
    assert shown["prefill_per_s"] > 0
    assert shown["why"]
    assert session.resident_tokens() > 0  # what the speed was measured with
    session.close()
    kept = tuning.find(tmp_path / "long.gguf").costs
    assert kept is not None
    again = Session(replace(settings, contextTokens=0), [])
    await loaded(again)
    assert again.engine_info().costs.write_ms == kept.write_ms
    assert again.speed()["prompt_tokens"] == shown["prompt_tokens"]
    again.close()
