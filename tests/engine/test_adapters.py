# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters: what changes nothing changes nothing, what is not for the model is refused."""

import threading

import pytest
from tiny_adapter import write_adapter
from tiny_models import write_tiny

from engine import adapters, load
from engine.gguf import read_header
from engine.types import ModelNotFound, ModelRejected, Prompt, Sampling
from lsp_server.settings import needs_loading, resolve


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf", "qwen3moe")


def answer(model, *lora, folder=None):
    engine = load.load(
        load.Choice("tiny", model, "qwen"),
        gpu_layers=0,
        kv_type="f16",
        state_folder=folder,
        lora=lora,
    )
    try:
        prompt = Prompt(tuple(engine.tokenize("def add(a, b):\n    return ")), ())
        done = engine.complete(prompt, Sampling(12), threading.Event(), lambda _: True)
        logprobs = [piece.logprob for piece in done.pieces]
        return done.text, logprobs, engine.info.state_format
    finally:
        engine.close()


def test_a_zero_adapter_says_the_same_and_another_one_does_not(model, tmp_path):
    plain = answer(model)
    zero = answer(model, str(write_adapter(tmp_path / "zero.gguf", model, strength=0.0)))
    strong = str(write_adapter(tmp_path / "strong.gguf", model))
    loud, off, half = (
        answer(model, strong),
        answer(model, f"{strong}=0"),
        answer(model, f"{strong}=0.5"),
    )
    assert zero[:2] == plain[:2] == off[:2]
    assert loud[1] != plain[1] and half[1] != plain[1] and half[1] != loud[1]
    assert loud[0] != plain[0]
    formats = [one[2] for one in (plain, zero, loud, off, half)]
    assert len(set(formats)) == len(formats), "a state that one has read is of no use to another"


def test_two_adapters_are_not_one(model, tmp_path):
    one = str(write_adapter(tmp_path / "one.gguf", model))
    two = str(write_adapter(tmp_path / "two.gguf", model, names=("attn_v.weight",)))
    assert answer(model, one, two)[1] != answer(model, one)[1]


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"arch": "llama"}, "is for 'llama', the model is qwen3moe"),
        ({"kind": "model"}, "is a 'model', not an adapter"),
        ({"lora": "control_vector"}, "of another kind than LoRA"),
        ({"without": ".lora_a"}, "without the other half"),
        ({"wider": 32}, "does not fit 'blk.0.attn_q.weight'"),
        ({"names": ()}, ""),
    ],
)
def test_a_wrong_adapter_is_refused_in_one_line(model, tmp_path, odd, words):
    """E1, E2: before native code sees it."""
    path = write_adapter(tmp_path / "odd.gguf", model, **({"names": ("attn_q.weight",)} | odd))
    if odd.get("names") == ():
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelRejected) as refused:
        answer(model, str(path))
    assert words.replace("'", "") in str(refused.value).replace("'", "").replace('"', "")
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def test_an_adapter_for_weights_that_are_not_there_is_refused(model, tmp_path):
    path = tmp_path / "other.gguf"
    other = write_tiny(tmp_path / "deep.gguf", "deepseek2")
    write_adapter(path, other, arch="qwen3moe", names=("attn_kv_a_mqa.weight",))
    with pytest.raises(ModelRejected, match="which the model does not have"):
        adapters.read([str(path)], read_header(model))


def test_E1_a_file_that_is_not_there_is_named(model, tmp_path):
    with pytest.raises(ModelNotFound, match=r"gone\.gguf: no such file"):
        adapters.read([str(tmp_path / "gone.gguf=0.5")], read_header(model))


def test_a_model_is_no_adapter_for_itself(model):
    with pytest.raises(ModelRejected, match="not an adapter"):
        adapters.read([str(model)], read_header(model))


@pytest.mark.parametrize(
    ("text", "path", "scale"),
    [
        ("a.gguf", "a.gguf", 1.0),
        ("a.gguf=0.25", "a.gguf", 0.25),
        ("a=b.gguf", "a=b.gguf", 1.0),
        ("a=b.gguf=-1", "a=b.gguf", -1.0),
        ("/x/=2", "/x/=2", 1.0),
    ],
)
def test_a_scale_stands_behind_the_path(text, path, scale):
    found, number = adapters.parse(text)
    assert (found.as_posix(), number) == (path, scale)


@pytest.mark.parametrize("number", ["nan", "inf", "17", "-99"])
def test_a_scale_of_no_use_is_refused(number):
    with pytest.raises(ModelRejected, match="scale"):
        adapters.parse(f"a.gguf={number}")


def test_the_setting_is_a_list_of_texts_and_loads_anew():
    plain, none = resolve({})
    found, problems = resolve({"lora": ["a.gguf=0.5"]})
    assert (found.lora, problems, none) == (("a.gguf=0.5",), [], [])
    assert needs_loading(plain, found) and not needs_loading(found, found)
    for odd in ("a.gguf", [1], {"a": 1}):
        kept, said = resolve({"lora": odd})
        assert kept.lora == () and len(said) == 1


def test_a_state_of_another_adapter_is_not_put_back(model, tmp_path):
    """What `engine.saved` keys by: the format differs, so the file is not even looked at."""
    folder = tmp_path / "states"
    folder.mkdir(mode=0o700)
    path = write_adapter(tmp_path / "strong.gguf", model)
    first = answer(model, str(path), folder=folder)[2]
    write_adapter(path, model, strength=2.0)  # trained again, under the same name
    assert answer(model, str(path), folder=folder)[2] != first
