from random import Random

import pytest

from weightfill import Normal, Ones, Plan, Zeros
from weightfill._models.gathered import gathered, literal

NORMAL, OTHER = Normal(std=0.02), Normal(std=0.01)


def given_back(found, inits):
    return {name: rule.init for name, rule in Plan(found, seed=1).assign(inits).items()}


def rules(inits):
    found = gathered(inits)
    assert given_back(found, inits) == inits
    return [(rule.pattern, rule.init) for rule in found]


def test_a_transformer_takes_a_rule_for_each_kind_of_parameter():
    inits = {"wte.weight": NORMAL, "ln_f.weight": Ones(), "ln_f.bias": Zeros()}
    for layer in range(12):
        inits |= {f"h.{layer}.{part}.weight": NORMAL for part in ("attn.c_attn", "mlp.c_fc")}
        inits |= {f"h.{layer}.{part}.weight": OTHER for part in ("attn.c_proj", "mlp.c_proj")}
        inits |= {f"h.{layer}.{part}.weight": Ones() for part in ("ln_1", "ln_2")}
        inits |= {f"h.{layer}.{part}.bias": Zeros() for part in ("ln_1", "ln_2", "attn.c_attn", "mlp.c_fc")}
    assert rules(inits) == [
        ("*.bias", Zeros()),
        ("*ln*.weight", Ones()),
        ("*.c_proj.weight", OTHER),
        ("*.weight", NORMAL),
    ]


def test_one_initializer_takes_one_rule():
    assert rules({"0.weight": NORMAL, "1.weight": NORMAL}) == [("*.weight", NORMAL)]


def test_a_single_name_is_its_own_pattern():
    assert rules({"weight": NORMAL}) == [("weight", NORMAL)]


def test_layers_with_initializers_of_their_own_are_told_apart():
    inits = {f"layers.{i}.weight": Normal(std=0.02 / (i + 1)) for i in range(12)}
    assert len(rules(inits)) == 12


def test_a_number_that_tells_initializers_apart_stands_in_one_rule_for_all_layers():
    inits = {f"stages.{stage}.down.{part}.weight": (Ones(), NORMAL)[part] for stage in range(4) for part in range(2)}
    assert rules(inits) == [("*.down.1.weight", NORMAL), ("*.weight", Ones())]


def test_the_layers_of_one_block_have_one_rule():
    inits = {f"up.{block}.net.{i}.bias": Normal(std=1 / (block + 1)) for block in range(3) for i in range(4)}
    inits |= {f"up.{block}.out.{i}.bias": OTHER for block in range(3) for i in range(4)}
    of_blocks = [(f"up.{block}.net.*.bias", Normal(std=1 / (block + 1))) for block in (2, 1)]
    assert rules(inits) == [("*.out.*.bias", OTHER), *of_blocks, ("*.bias", Normal(std=1))]


def test_names_with_the_characters_of_patterns_stand_for_themselves():
    inits = {"a[0].w*": NORMAL, "a[0].wx": OTHER, "a[0].w?": Zeros(), "a0.w*": Ones()}
    assert given_back(gathered(inits), inits) == inits


@pytest.mark.parametrize("name", ["a*b", "a?b", "[ab]", "a]b", "weight"])
def test_a_literal_pattern_matches_its_name_alone(name):
    plan = Plan({literal(name): Zeros(), "*": Ones()})
    assert plan.rule(name).init == Zeros()
    assert plan.rule("aab").init == plan.rule("a").init == Ones()


@pytest.mark.parametrize("seed", range(60))
def test_rules_of_any_names_give_back_what_was_asked_for(seed):
    random = Random(seed)
    kinds = [NORMAL, OTHER, Zeros(), Ones()][: random.randint(1, 4)]
    parts = ["norm", "norm1", "fc_1", "fc", "0", "1", "10", "weight", "bias", "x[1]", "ln_f", "post_layernorm"]
    names = {".".join(random.choices(parts, k=random.randint(1, 4))) for _ in range(40)}
    inits = {name: random.choice(kinds) for name in sorted(names)}
    assert given_back(gathered(inits), inits) == inits


def test_layers_of_large_models_are_told_apart_quickly():
    kinds = ["attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.up", "mlp.down"]
    inits = {f"layers.{i}.{kind}.weight": Normal(std=i + 1 + k / 8) for i in range(100) for k, kind in enumerate(kinds)}
    assert len(rules(inits)) == 700
