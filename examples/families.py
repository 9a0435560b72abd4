"""The families of models in this folder: which function of which library builds each of them.

The sizes of the published model are in `<family>/config.json`: a configuration of transformers, or named arguments.
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import weightfill as wf

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Family:
    """How the models of a family are built.

    Attributes:
        function: what builds a model from its configuration, as `module:function`.
        tiny: what the configuration of a model for tests has instead of the published sizes.
        rules: what is said here as the authors have it, by a rule for tensors of any size.
        library: the package whose model it is, if not that of the function.
    """

    function: str
    tiny: Mapping[str, Any]
    rules: Mapping[str, wf.Initializer] = field(default_factory=dict)
    library: str = ""

    @property
    def versions(self) -> str:
        """The versions with which a model is recorded now, such as "transformers 5.24.0, torch 2.13.0"."""
        first = self.library or self.function.partition(":")[0].partition(".")[0]
        packages = [package for package in (first, "torch") if package != "examples"]
        return ", ".join(f"{package} {metadata.version(package).partition('+')[0]}" for package in packages)

    def build(self, config: Mapping[str, Any]) -> Any:
        """Return a module with the sizes of a configuration."""
        module, _, path = self.function.partition(":")
        function = importlib.import_module(module)
        for part in path.split("."):
            function = getattr(function, part)
        if module == "transformers":
            return function(importlib.import_module("transformers").AutoConfig.for_model(**config))
        return function(**config)


def published(name: str) -> dict[str, Any]:
    """Return the configuration of the published model of a family."""
    return json.loads((FOLDER / name / "config.json").read_text(encoding="utf-8"))


def tiny(name: str) -> dict[str, Any]:
    """Return the configuration of a small model of a family, in float32."""
    config = _changed(published(name), FAMILIES[name].tiny)
    return {**config, "dtype": "float32"} if "dtype" in config else config


def _changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    inner = {key: _changed(config[key], value) for key, value in changes.items() if isinstance(value, Mapping)}
    return {**config, **changes, **inner}


_GLU = {"hidden_size": 64, "intermediate_size": 96, "vocab_size": 200, "num_hidden_layers": 3}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
_ENCODER = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
_IMAGE = {"image_size": 32, "patch_size": 8}
# Uniform within 1 / sqrt(rows): these are what a one-hot vector enters by, and so the inputs of a table.
_TABLES = wf.StandardUniform(layout=wf.Layout(in_axis=0, out_axis=1))

FAMILIES = {
    "bert-base": Family("transformers:AutoModelForPreTraining.from_config", _ENCODER | {"vocab_size": 200}),
    "clip-b32": Family(
        "transformers:AutoModel.from_config",
        {"projection_dim": 48, "text_config": _ENCODER | {"vocab_size": 200}, "vision_config": _ENCODER | _IMAGE},
    ),
    "convnext-tiny": Family(
        "transformers:AutoModelForImageClassification.from_config",
        {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1], "num_labels": 10},
    ),
    "criteo": Family(
        "examples.criteo.model:build",
        {"rows": [3000, 800, 400], "width": 64, "bottom": [128, 64], "top": [128, 64]},
        {"*.embedding_bags.*.weight": _TABLES},
        library="torchrec",
    ),
    "deepseek-v3": Family(
        "transformers:AutoModelForCausalLM.from_config",
        _GLU
        | {"num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 32, "kv_lora_rank": 16}
        | {"qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16}
        | {"moe_intermediate_size": 32, "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2}
        | {"first_k_dense_replace": 1},
    ),
    "dinov2-base": Family("transformers:AutoModel.from_config", {**_ENCODER, **_IMAGE, "mlp_ratio": 2}),
    "dlrm": Family(
        "examples.dlrm.model:DLRM",
        {"rows": [3000, 800, 400], "width": 16, "bottom": [256, 256], "top": [256, 256]},
        {"emb_l.*.weight": _TABLES},
    ),
    "gemma3-1b": Family("transformers:AutoModelForCausalLM.from_config", _GLU | _HEADS),
    "gpt-oss-120b": Family("transformers:AutoModelForCausalLM.from_config", _GLU | _HEADS | {"num_local_experts": 4}),
    "gpt2": Family(
        "transformers:AutoModel.from_config",
        {"vocab_size": 200, "n_positions": 50, "n_embd": 64, "n_layer": 3, "n_head": 4},
    ),
    "llama-8b": Family("transformers:AutoModelForCausalLM.from_config", _GLU | _HEADS),
    "mamba-130m": Family(
        "transformers:AutoModelForCausalLM.from_config",
        {"vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 3},
    ),
    "mixtral-8x7b": Family("transformers:AutoModelForCausalLM.from_config", _GLU | _HEADS | {"num_local_experts": 4}),
    "modernbert-base": Family(
        "transformers:AutoModelForMaskedLM.from_config",
        _ENCODER
        | {"vocab_size": 200, "pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1}
        | {"eos_token_id": 2, "sep_token_id": 2},
    ),
    "qwen3-8b": Family("transformers:AutoModelForCausalLM.from_config", _GLU | _HEADS),
    "resnet-50": Family(
        "transformers:AutoModelForImageClassification.from_config",
        {"embedding_size": 32, "hidden_sizes": [64, 128], "depths": [2, 2], "num_labels": 500},
    ),
    "siglip-b16": Family(
        "transformers:AutoModel.from_config",
        {"text_config": _ENCODER | {"vocab_size": 200}, "vision_config": _ENCODER | _IMAGE},
    ),
    "swin-tiny": Family(
        "transformers:AutoModelForImageClassification.from_config",
        {"embed_dim": 32, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "image_size": 32, "num_labels": 10},
    ),
    "t5-small": Family(
        "transformers:AutoModelForSeq2SeqLM.from_config",
        {"vocab_size": 200, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4},
    ),
    "unet-sd1.5": Family(
        "diffusers:UNet2DConditionModel",
        {
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        }
        | {"block_out_channels": [64, 64], "layers_per_block": 1, "cross_attention_dim": 64, "in_channels": 64}
        | {"out_channels": 64, "sample_size": 16, "norm_num_groups": 8},
    ),
    "vit-b16": Family(
        "transformers:AutoModelForImageClassification.from_config", {**_ENCODER, **_IMAGE, "num_labels": 10}
    ),
    "whisper-large": Family(
        "transformers:AutoModelForSpeechSeq2Seq.from_config",
        {"vocab_size": 200, "num_mel_bins": 16, "d_model": 64, "max_source_positions": 50, "max_target_positions": 30}
        | {"encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 96}
        | {"decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 96}
        | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 2},
        # The library computes them in float32, which loses the last digits of large angles.
        {"model.encoder.embed_positions.weight": wf.Sinusoid(form="timescales")},
    ),
}
