# SPDX-License-Identifier: Apache-2.0
"""Options are untrusted: a bad value keeps its default and says so once."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.settings import Remote, Settings, Verify, read_user_file, resolve, user_file

NAMES = [item.name for item in fields(Settings)]


@pytest.mark.parametrize(
    ("options", "name", "expected", "problem"),
    [
        ({"threads": 4}, "threads", 4, ""),
        ({"ghostwright": {"threads": 4}}, "threads", 4, ""),
        ({"threads": True}, "threads", 0, "threads must be a whole number"),
        ({"threads": "4"}, "threads", 0, "threads must be a whole number"),
        ({"threads": -3}, "threads", 0, "threads must be between 0 and 1024"),
        ({"kvType": "q3"}, "kvType", "f16", "kvType must be one of f16, q8_0"),
        ({"manual": 1}, "manual", False, "manual must be true or false"),
        ({"languages": {"go": "off"}}, "languages", {"go": "off"}, ""),
        ({"languages": {"go": False}}, "languages", {}, 'must map languages to "on" or "off"'),
        ({"exclude": ["*.x"]}, "exclude", ("*.x",), ""),
        ({"exclude": [1]}, "exclude", (), "must be a list of patterns"),
        ({"remote": {"url": "http://a"}}, "remote", Remote("http://a"), ""),
        ({"remote": "http://a"}, "remote", Remote(), "remote must be an object"),
        ({"remote": {"standIn": "auto"}}, "remote", Remote(standIn="auto"), ""),
        ({"remote": {"url": "ftp://a"}}, "remote", Remote(), "remote.url must be an address that"),
        ({"remote": {"url": "http://me:pw@a"}}, "remote", Remote(), "must hold neither"),
        ({"remote": {"url": "http://a:99999999"}}, "remote", Remote(), "remote.url must be"),
        ({"remote": {"url": "https://a/v1?key=x"}}, "remote", Remote(), "must hold neither"),
        ({"remote": {"apiKeyEnv": "sk-1 2"}}, "remote", Remote(), "the name of an environment"),
        ({"verify": {"timeoutS": 0}}, "verify", Verify(), "verify.timeoutS must be between"),
        ({"colour": 1}, "model", "auto", "'colour' is not a setting"),
        ({"model": None}, "model", "auto", ""),
        ([1], "model", "auto", "expected an object"),
    ],
)
def test_option(options, name, expected, problem):
    settings, problems = resolve(options)
    assert getattr(settings, name) == expected
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)


def test_what_may_be_a_secret_is_not_repeated():
    options = {"remote": {"url": "http://me:hidden@a", "apiKeyEnv": "sk-hidden"}}
    assert "hidden" not in "".join(resolve(options)[1])


def test_later_layers_win_and_keep_what_they_do_not_name():
    settings, problems = resolve({"threads": 2, "model": "a"}, None, {"model": "b"})
    assert (settings.threads, settings.model, problems) == (2, "b", [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), JSON, max_size=6))
def test_anything_at_all_gives_total_settings(options):
    settings, problems = resolve(options)
    for item in fields(Settings):
        assert type(getattr(settings, item.name)) is type(getattr(Settings(), item.name))
    assert all("\n" not in problem for problem in problems)


@pytest.mark.parametrize("text", ["model = ", b"\xff\xfe"], ids=["not TOML", "not UTF-8"])
def test_a_bad_user_file_is_one_problem(text):
    path = user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        options, problems = read_user_file()
    finally:
        path.unlink()
    assert options == {}
    assert len(problems) == 1
    assert str(path) in problems[0]
