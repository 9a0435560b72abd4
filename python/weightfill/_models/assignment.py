"""Which tensors of a model a plan draws, and each one's stream and rule."""

from __future__ import annotations

from collections.abc import Mapping

from weightfill._arguments.messages import shown
from weightfill._initializers.padded import Padded, says_padding
from weightfill._models.computed import check_names
from weightfill._models.integers import integers_of
from weightfill._models.manifest import Specs
from weightfill._models.rules import Rule
from weightfill._models.seeded_rules import SeededRules
from weightfill._tensor import Tensor


def drawn_by(plan: SeededRules, tensors: Specs) -> tuple[Specs, dict[str, tuple[str, Rule]]]:
    """Return what a checkpoint of these tensors holds, and stream and rule of all that a plan draws of it.

    Of a torch module it is what `weightfill.torch.initialize` fills: buffers only by rules of their own, others being
    left out unless their values are known, and no padding rows of embeddings. Counters and known values are not drawn.
    Buffers of integers have known values by rules of their own, too.

    Raises:
        TypeError: an initializer cannot leave out padding rows.
        ValueError: a parameter has no rule, or a rule has no parameter.
    """
    names = [name for name, spec in tensors.items() if not spec.is_counter]
    state = tensors.state
    if state is None:
        return tensors, plan._assigned(names)
    streams = {name: state.streams[name] for name in names}
    integers = {name: spec for name, spec in {**tensors, **tensors.integers}.items() if spec.is_counter}
    integers = {name: spec for name, spec in integers.items() if name in state.buffers}
    left = plan._left(
        [stream for name, stream in streams.items() if name not in state.buffers],
        [*(state.streams[name] for name in (*names, *integers) if name in state.buffers), *state.passing],
        {state.streams[name] for name in tensors.known},
    )
    kept = tensors.without({name for name, stream in streams.items() if stream in left and name not in tensors.known})
    streams = {name: stream for name, stream in streams.items() if stream not in left}
    integers = {name: spec for name, spec in integers.items() if state.streams[name] not in left}
    passing = [stream for stream in state.passing if stream not in left]  # a rule may be for these alone
    rules = plan._rules_of([*streams.values(), *(state.streams[name] for name in integers), *passing])
    check_names(streams.values(), plan._rule)
    kept.known = {name: array for name, array in kept.known.items() if name not in streams}
    for name, spec in integers.items():
        kept[name], kept.known[name] = spec, integers_of(name, rules[state.streams[name]], *spec)
    kept.left = tuple(name for name in kept.left if name not in integers)
    return kept, {name: (stream, _padded(name, rules[stream], tensors)) for name, stream in streams.items()}


def tensors_of(plan: SeededRules, specs: Specs, assigned: Mapping[str, tuple[str, Rule]]) -> dict[str, Tensor]:
    """Return all tensors that a plan draws, by name; counters are none.

    Raises:
        TypeError: an initializer is not one for its shape.
        ValueError: an initializer does not fit its tensor; the message names it.
    """
    tensors = {}
    for name, (stream, rule) in assigned.items():
        shape, dtype = specs[name]
        try:
            tensors[name] = Tensor(shape, rule.init, seed=plan.seed, stream=stream, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{shown(name)}, {shown(rule.init)}: {error}") from error
    return tensors


def _padded(name: str, rule: Rule, tensors: Specs) -> Rule:
    """Return the rule with zeros in the padding rows, of a tied tensor in those of all its names."""
    assert tensors.state is not None
    zero_rows = tensors.state.zero_rows
    rows = sorted({row for one in (name, *tensors.others(name)) for row in zero_rows.get(one, ())})
    if not rows or says_padding(rule.init):
        return rule
    try:
        return rule._replace(init=Padded(rule.init, tuple(rows)))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{shown(name)} has a padding_idx, {shown(rule.init)}: {error}") from error
