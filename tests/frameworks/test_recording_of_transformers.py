"""What recording a very large model of transformers takes, in a process of its own."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

LARGE = """
import json
from transformers import AutoModelForCausalLM, LlamaConfig
import weightfill.torch as wt

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) * 1024

def recorded_plan(layers, **sizes):
    config = LlamaConfig(num_hidden_layers=layers, num_key_value_heads=8, num_attention_heads=64, **sizes)
    with wt.recording() as recorded:
        model = AutoModelForCausalLM.from_config(config)
    return model, recorded.plan(model, seed=42)

recorded_plan(1, hidden_size=64, intermediate_size=64, vocab_size=50)  # which loads what transformers needs
before = peak()
model, plan = recorded_plan(80, hidden_size=8192, intermediate_size=28672, vocab_size=128256)
print(json.dumps({
    "parameters": sum(param.numel() for param in model.parameters()),
    "in memory": sum(param.nbytes for param in model.parameters() if not param.is_meta),
    "rules": [[rule.pattern, str(rule.init)] for rule in plan.rules],
    "grown": peak() - before,
    "all": peak(),
}))
"""


def test_a_llama_of_70_billion_parameters_is_recorded_in_less_than_100_megabytes():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["parameters"] == 70_553_706_496  # 282 GB
    assert found["in memory"] == 0
    assert [init for _, init in found["rules"]] == ["Ones()", "Normal(mean=0.0, std=0.02)"]
    assert found["grown"] < 100e6
    assert found["all"] < 2e9
