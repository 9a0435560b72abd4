"""Run as a script, writes examples/*/manifest.json: names, shapes and dtypes of the parameters of three models."""

import json
import math
from pathlib import Path

# Criteo Terabyte with max_ind_range 40,000,000, as MLPerf trains it: distinct values of each categorical feature.
CRITEO_ROWS = (
    39884406, 39043, 17289, 7420, 20263, 3, 7120, 1543, 63, 38532951, 2953546, 403346, 10,
    2208, 11938, 155, 4, 976, 14, 39979771, 25641295, 39664984, 585935, 12972, 108, 36,
)  # fmt: skip


def gpt2(layers=12, width=768, vocabulary=50257, context=1024):
    """Return the shapes of Hugging Face's `gpt2`, whose Conv1D keeps weights as (in, out); the output is wte's."""
    shapes = {"wte.weight": (vocabulary, width), "wpe.weight": (context, width)}
    for layer in range(layers):
        block = {
            "ln_1": (width,),
            "attn.c_attn": (width, 3 * width),
            "attn.c_proj": (width, width),
            "ln_2": (width,),
            "mlp.c_fc": (width, 4 * width),
            "mlp.c_proj": (4 * width, width),
        }
        for name, shape in block.items():
            shapes[f"h.{layer}.{name}.weight"] = shape
            shapes[f"h.{layer}.{name}.bias"] = shape[-1:]
    return {**shapes, "ln_f.weight": (width,), "ln_f.bias": (width,)}


def llama(layers=32, width=4096, key_value_width=1024, hidden=14336, vocabulary=128256):
    """Return the shapes of Hugging Face's `Meta-Llama-3-8B`: 32 heads, 8 of keys and values, of 128 each."""
    shapes = {"model.embed_tokens.weight": (vocabulary, width)}
    for layer in range(layers):
        block = {
            "input_layernorm": (width,),
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (key_value_width, width),
            "self_attn.v_proj": (key_value_width, width),
            "self_attn.o_proj": (width, width),
            "post_attention_layernorm": (width,),
            "mlp.gate_proj": (hidden, width),
            "mlp.up_proj": (hidden, width),
            "mlp.down_proj": (width, hidden),
        }
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    return {**shapes, "model.norm.weight": (width,), "lm_head.weight": (vocabulary, width)}


def dlrm(rows=CRITEO_ROWS, width=128, dense=13, bottom=(512, 256, 128), top=(1024, 1024, 512, 256, 1)):
    """Return the shapes of facebookresearch/dlrm; between its Linear layers, with even numbers, are activations."""
    shapes = {f"emb_l.{table}.weight": (count, width) for table, count in enumerate(rows)}
    pairs = math.comb(len(rows) + 1, 2)  # dot products among the tables' rows and the bottom's output
    for name, inputs, sizes in (("bot_l", dense, bottom), ("top_l", width + pairs, top)):
        for layer, outputs in enumerate(sizes):
            shapes[f"{name}.{2 * layer}.weight"] = (outputs, inputs)
            shapes[f"{name}.{2 * layer}.bias"] = (outputs,)
            inputs = outputs
    return shapes


# Folder: shapes and dtype of the published model.
MODELS = {"gpt2": (gpt2(), "float32"), "llama-8b": (llama(), "bfloat16"), "dlrm": (dlrm(), "float32")}


def manifest(shapes, dtype):
    """Return a manifest as JSON, a tensor on each line."""
    lines = (f"{json.dumps(name)}: {json.dumps({'shape': shape, 'dtype': dtype})}" for name, shape in shapes.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    """Write all manifests beside this file."""
    for folder, (shapes, dtype) in MODELS.items():
        (Path(__file__).parent / folder / "manifest.json").write_text(manifest(shapes, dtype), encoding="utf-8")


if __name__ == "__main__":
    main()
