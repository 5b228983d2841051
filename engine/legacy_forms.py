# SPDX-License-Identifier: Apache-2.0
"""How the model files of 2023 are laid out, one table a family: what `legacy_header` walks by.

GGML files name neither their family nor their parts: the numbers of a header come in an order that
the family knows, and the names of the tensors tell which family it is. Source: the loaders of
ctransformers 0.2.27. Only families are here whose tiny file a test loads and writes with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """One family. A tensor is its name, `{}` for the layer's number, and the letters of its sides:
    E width, C context, V vocabulary, F inner width of llama; 3E is three times E. `?`: may be
    missing. `cache_bytes`: of one number in a cache of keys and values.
    """

    family: str  # as ctransformers calls it
    numbers: tuple[str, ...]  # of the header, in its order, 32 bits each
    tensors: tuple[tuple[str, ...], ...]
    repeats_vocabulary: bool = False  # its size stands once more before it
    scores: bool = False  # behind each token
    cache_bytes: int = 2


def _form(family: str, numbers: str, tensors: str, **more: bool | int) -> Form:
    rows = tuple(tuple(line.split()) for line in tensors.strip().splitlines())
    return Form(family, tuple(numbers.split()), rows, **more)  # type: ignore[arg-type]


GPT2 = _form(
    "gpt2",  # and "starcoder", by its vocabulary: the files are alike
    "vocabulary context width heads layers ftype",
    """
    model/ln_f/g E
    model/ln_f/b E
    model/wte E V
    model/wpe E C
    model/lm_head E V ?
    model/h{}/ln_1/g E
    model/h{}/ln_1/b E
    model/h{}/ln_2/g E
    model/h{}/ln_2/b E
    model/h{}/attn/c_attn/w E 3E
    model/h{}/attn/c_attn/b 3E
    model/h{}/attn/c_proj/w E E
    model/h{}/attn/c_proj/b E
    model/h{}/mlp/c_fc/w E 4E
    model/h{}/mlp/c_fc/b 4E
    model/h{}/mlp/c_proj/w 4E E
    model/h{}/mlp/c_proj/b E
    """,
    repeats_vocabulary=True,
    cache_bytes=4,
)
GPTJ = _form(
    "gptj",
    "vocabulary context width heads layers rotated ftype",
    """
    transformer.wte.weight E V
    transformer.ln_f.weight E
    transformer.ln_f.bias E
    lm_head.weight E V
    lm_head.bias V
    transformer.h.{}.ln_1.weight E
    transformer.h.{}.ln_1.bias E
    transformer.h.{}.attn.q_proj.weight E E
    transformer.h.{}.attn.k_proj.weight E E
    transformer.h.{}.attn.v_proj.weight E E
    transformer.h.{}.attn.out_proj.weight E E
    transformer.h.{}.mlp.fc_in.weight E 4E
    transformer.h.{}.mlp.fc_in.bias 4E
    transformer.h.{}.mlp.fc_out.weight 4E E
    transformer.h.{}.mlp.fc_out.bias E
    """,
    repeats_vocabulary=True,
)
GPTNEOX = _form(
    "gptneox",
    "vocabulary context width heads layers rotated parallel ftype",
    """
    gpt_neox.embed_in.weight E V
    gpt_neox.final_layer_norm.weight E
    gpt_neox.final_layer_norm.bias E
    embed_out.weight E V
    gpt_neox.layers.{}.input_layernorm.weight E
    gpt_neox.layers.{}.input_layernorm.bias E
    gpt_neox.layers.{}.attention.query_key_value.weight E 3E
    gpt_neox.layers.{}.attention.query_key_value.bias 3E
    gpt_neox.layers.{}.attention.dense.weight E E
    gpt_neox.layers.{}.attention.dense.bias E
    gpt_neox.layers.{}.post_attention_layernorm.weight E
    gpt_neox.layers.{}.post_attention_layernorm.bias E
    gpt_neox.layers.{}.mlp.dense_h_to_4h.weight E 4E
    gpt_neox.layers.{}.mlp.dense_h_to_4h.bias 4E
    gpt_neox.layers.{}.mlp.dense_4h_to_h.weight 4E E
    gpt_neox.layers.{}.mlp.dense_4h_to_h.bias E
    """,
)
_BLOCKS = """
    transformer.wte.weight E V
    transformer.norm_f.weight E
    transformer.blocks.{}.norm_1.weight E
    transformer.blocks.{}.attn.Wqkv.weight E 3E
    transformer.blocks.{}.attn.out_proj.weight E E
    transformer.blocks.{}.norm_2.weight E
    transformer.blocks.{}.ffn.up_proj.weight E 4E
    transformer.blocks.{}.ffn.down_proj.weight 4E E
    """
MPT = _form("mpt", "width context heads layers vocabulary alibi clip ftype", _BLOCKS)
REPLIT = _form("replit", "width context heads layers vocabulary ftype", _BLOCKS, scores=True)
LLAMA = _form(
    "llama",
    "vocabulary width multiple heads layers rotated ftype",
    """
    tok_embeddings.weight E V
    norm.weight E
    output.weight E V
    layers.{}.attention_norm.weight E
    layers.{}.attention.wq.weight E E
    layers.{}.attention.wk.weight E E
    layers.{}.attention.wv.weight E E
    layers.{}.attention.wo.weight E E
    layers.{}.ffn_norm.weight E
    layers.{}.feed_forward.w1.weight E F
    layers.{}.feed_forward.w2.weight F E
    layers.{}.feed_forward.w3.weight E F
    """,
    scores=True,
)
FORMS = (GPT2, GPTJ, GPTNEOX, MPT, REPLIT, LLAMA)
FAMILIES = "StarCoder, GPT-2, GPT-J, GPT-NeoX, MPT, Replit and LLaMA"


def sides(form: Form, numbers: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Every tensor that a file with these numbers has, with its sides; `?` is left out of it."""
    found = {}
    letters = {"E": numbers["width"], "V": numbers["vocabulary"], "C": numbers.get("context", 0)}
    if form is LLAMA:  # as its loader reckons
        inner, step = 2 * (4 * numbers["width"]) // 3, numbers["multiple"]
        letters["F"] = -(-inner // step) * step
    for name, *marks in form.tensors:
        shape = tuple(
            letters[mark[-1]] * int(mark[:-1] or 1) for mark in marks if not mark.startswith("?")
        )
        layers = range(numbers["layers"]) if "{}" in name else (0,)
        found.update({name.format(layer): shape for layer in layers})
    return found


def optional(form: Form) -> frozenset[str]:
    """The tensors that a file may leave out."""
    return frozenset(name for name, *marks in form.tensors if "?" in marks)
