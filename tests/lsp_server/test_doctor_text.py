# SPDX-License-Identifier: Apache-2.0
"""`doctor` says plainly where text goes (S9)."""

from __future__ import annotations

import pytest
from remote_server import RemoteServer

from lsp_server.commands import doctor


def lines(monkeypatch, **remote):
    options = {"remote": remote} if remote else {}
    monkeypatch.setattr(doctor, "read_user_file", lambda: (options, []))
    return next(doctor._text()), options


@pytest.mark.parametrize(
    ("remote", "ok", "detail"),
    [
        ({}, True, "nothing leaves this machine"),
        (
            {"url": "https://llm.example:8443/v1", "model": "m"},
            True,
            "prompts are sent to llm.example:8443 (model m)",
        ),
        ({"url": "http://llm.example"}, False, "prompts are sent to llm.example (model the first"),
        ({"url": "http://127.0.0.1:1"}, True, "prompts are sent to 127.0.0.1:1 (model the first"),
    ],
)
def test_where_text_goes(monkeypatch, remote, ok, detail):
    line, _ = lines(monkeypatch, **remote)
    assert line.ok is ok
    assert line.detail.startswith(detail)
    assert ("https" in line.fix) is not ok


def test_the_server_is_asked_what_it_has(monkeypatch):
    with RemoteServer("vLLM") as server:
        lines(monkeypatch, url=server.url, standIn="auto")
        model, speed = doctor._model()
        assert model.ok and speed.ok
        assert model.detail.startswith("qwen2.5-coder-7b on vLLM: 4,096 tokens")
        server.stop()
        (away,) = doctor._model()
        assert not away.ok
        assert "cannot be reached" in away.detail and "stands in" in away.fix
