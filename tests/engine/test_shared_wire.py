# SPDX-License-Identifier: Apache-2.0
"""What windows and a host say to each other comes back, and nothing else gets in (S10)."""

from __future__ import annotations

import contextlib
from dataclasses import astuple, fields

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.shared import wire
from engine.types import Costs, EngineInfo, ModelRejected, RequestRejected, Sampling

numbers = st.integers(0, wire.MAX_NUMBER - 1)
texts = st.text(st.characters(exclude_categories=()), max_size=50)  # lone surrogates, too
floats = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    "int": numbers,
    "str": texts,
    "bytes": st.binary(max_size=50),
    "float | None": st.none() | floats,
    "tuple[Any, ...]": st.lists(numbers | floats | texts, max_size=10).map(tuple),
}
messages = st.one_of(
    *(
        st.builds(kind, **{item.name: VALUES[item.type] for item in fields(kind)})
        for kind in wire.KINDS
    )
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=20,
)


@given(messages)
def test_a_message_comes_back_as_it_was(message):
    assert wire.decode(wire.encode(message)) == message


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xdd\xff\xff\xff\xff")  # a list of four billion
@example(b"\x91" * 5000)  # a list in a list in a list
@example(b"\xc1")
def test_S10_any_bytes_are_a_message_or_malformed(data):
    check_decoded(data)


@given(plain)
def test_S10_any_values_are_a_message_or_malformed(value):
    check_decoded(msgpack.packb(value, unicode_errors="surrogatepass"))


@given(messages, st.data())
def test_S10_a_damaged_message_is_a_message_or_malformed(message, data):
    damaged = bytearray(wire.encode(message))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] = data.draw(st.integers(0, 255))
    check_decoded(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


def check_decoded(data):
    with contextlib.suppress(wire.Malformed):
        assert type(wire.decode(data)) in wire.KINDS


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([99], "no message 99"),
        ([0, 1], "1 fields"),
        ([7, -1], "number of int"),
        ([7, True], "number of bool"),
        ([7, 1.0], "number of float"),
        ([10, 1, "text", float("nan")], "logprob of float"),
        ([8, 1, {}], "windows of dict"),
        ([8, 1, {"a": 1}], "max_map_len"),
    ],
)
def test_what_is_wrong_is_said(values, why):
    with pytest.raises(wire.Malformed, match=why):
        wire.decode(msgpack.packb(values))


def test_E4_what_is_too_long_is_refused_before_it_is_sent():
    with pytest.raises(RequestRejected, match="too long"):
        wire.encode(wire.Tokenize(1, "x" * wire.MAX_MESSAGE_BYTES))
    with pytest.raises(wire.Malformed):
        wire.decode(b"\0" * (wire.MAX_MESSAGE_BYTES + 1))


@given(st.lists(st.integers(0, 2**31 - 1)))
def test_token_ids_come_back(ids):
    assert wire.unpacked(wire.packed(ids)) == tuple(ids)


@pytest.mark.parametrize("data", [b"\1", b"\xff\xff\xff\xff", b"\0\0\0\0\0"])
def test_what_are_no_token_ids_is_malformed(data):
    with pytest.raises(wire.Malformed):
        wire.unpacked(data)


@pytest.mark.parametrize("ids", [(2**31,), (-(2**31) - 1,), (1.5,)])
def test_what_is_no_token_is_not_sent(ids):
    with pytest.raises(RequestRejected):
        wire.packed(ids)


@pytest.mark.parametrize("costs", [None, Costs(1.0, batch_tokens=64)])
def test_what_is_known_of_a_model_comes_back(costs):
    info = EngineInfo("m", 8192, 30.0, 9.0, "qwen", "format", costs)
    assert wire.info_of(wire.info_fields(info)) == info
    with pytest.raises(wire.Malformed):
        wire.info_of(wire.info_fields(info)[:3])


def test_sampling_comes_back_and_is_checked():
    sampling = Sampling(max_tokens=7, temperature=0.5)
    assert wire.sampling_of(astuple(sampling)) == sampling
    for wrong in (
        (),
        ("64", *astuple(sampling)[1:]),
        (-1, *astuple(sampling)[1:]),
        (1 << 40, *astuple(sampling)[1:]),
    ):
        with pytest.raises(wire.Malformed):
            wire.sampling_of(wrong)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ModelRejected("no model"), ModelRejected, "no model"),
        (OSError("disk full"), wire.ERRORS["EngineError"], "OSError: disk full"),
    ],
)
def test_an_error_is_the_same_at_the_window(error, kind, reason):
    there = wire.error_of(wire.failed(1, error))
    assert type(there) is kind
    assert str(there) == reason
