"""Plans: which initializer every parameter of a model gets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import compress
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.datasets import is_dataset, is_read_only, writable_dataset
from weightfill._arguments.dtypes import CORE_DTYPES, DTypeLike
from weightfill._arguments.memory import check_apart, plain_array, writable_memory
from weightfill._arguments.messages import printable, shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import stream_number
from weightfill._checkpoints.arrays import write_arrays
from weightfill._checkpoints.shards import checked_checkpoint_path
from weightfill._checkpoints.writing import write_checkpoint
from weightfill._initializers.base import Masked, names_decide
from weightfill._initializers.keep_values import KeepValues
from weightfill._models.assignment import drawn_by, tensors_of
from weightfill._models.computed import check_names
from weightfill._models.explanation import Explanation, explain
from weightfill._models.manifest import Shapes, specs
from weightfill._models.rules import Rule, Rules, is_counter, may_have_counters
from weightfill._models.seeded_rules import SeededRules
from weightfill._models.stored_values import arrays_of, large_values
from weightfill._models.toml import rules_of, toml_of
from weightfill._models.wrappers import streams_of
from weightfill._reading.html import table_of
from weightfill._run.progress import Progress, Tick, check_progress, following, ticking
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor, define

Array: TypeAlias = npt.NDArray[Any]
_size = attrgetter("size")
_NUMPY_NUMBERS: list[int] = [dtype.num for dtype in CORE_DTYPES]
Params = TypeVar("Params", bound=Mapping[str, npt.NDArray[Any]])


class Plan(SeededRules):
    """The initial values of a whole model: an ordered list of rules, name pattern -> initializer, and a seed.

    Rules are tried in order, and the first one whose pattern matches a parameter's name decides. The name is also the
    parameter's stream, without the prefixes of wrappers: `_orig_mod.` (torch.compile), `module.` if all names begin
    with it (DataParallel). In a pattern `*` matches any characters including dots, `?` matches one character, `[abc]`
    one of these; case matters. There is no default: end with a rule for `"*"` to cover all other parameters. The
    statistics of a norm, `running_mean` together with `running_var`, become zeros and ones, unless a rule matches them
    and no parameter.

    Args:
        rules: a mapping from patterns to initializers (or their names), or a list of such pairs. Use
            `Rule(pattern, init, optional=True)` for a rule that need not match a parameter.
        seed: an integer in [0, 2**64) for the whole model; required if any initializer is random.

    >>> plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
    >>> params = {"fc.weight": np.empty((2, 3), np.float32), "fc.bias": np.empty(2, np.float32)}
    >>> plan.fill(params)["fc.bias"]
    array([0., 0.], dtype=float32)
    >>> bool((params["fc.weight"] == create((2, 3), KaimingNormal(), seed=42, stream="fc.weight")).all())
    True

    Raises:
        TypeError: a pattern is not a string, the value of a rule is not an initializer, or `seed` is missing.
        ValueError: there is no rule, a pattern is empty or occurs twice, or `seed` is out of range.
    """

    @explained
    def __init__(self, rules: Rules, *, seed: int | None = None) -> None:
        SeededRules.__init__(self, rules, seed=seed)

    @explained
    def rule(self, name: str) -> Rule:
        """Return the rule of the parameter of this name.

        Args:
            name: the name of a parameter, which need not be in any model yet.

        >>> Plan({"*.bias": Zeros(), "*": Normal(std=0.02)}, seed=42).rule("fc.weight").init
        Normal(mean=0.0, std=0.02)

        Raises:
            TypeError: `name` is not a string.
            ValueError: no rule matches it.
        """
        return self._rule(name)

    @explained
    def assign(self, names: Iterable[str]) -> dict[str, Rule]:
        """Return the rule of every parameter of a model.

        Args:
            names: the names of all parameters.

        >>> plan = Plan({"*.bias": Zeros(), "*": Normal(std=0.02)}, seed=42)
        >>> {name: rule.pattern for name, rule in plan.assign(["fc.weight", "fc.bias"]).items()}
        {'fc.weight': '*', 'fc.bias': '*.bias'}

        Raises:
            TypeError: a name is not a string.
            ValueError: a parameter has no rule, or a rule that is not optional has no parameter.
        """
        return {name: rule for name, (_, rule) in self._assigned(list(names)).items()}

    @explained
    def fill(self, params: Params, *, threads: int | None = None, progress: Progress = None) -> Params:
        """Fill all parameters of a model in place, all tensors in parallel, and return the mapping.

        Each array gets the values of `fill(array, init, seed=plan.seed, stream=name)`. The batch counters of norms,
        integers named `num_batches_tracked`, become zeros. Arrays with the rule `KeepValues` stay as they are, of
        whatever dtype. Everything is checked before memory is touched. For a part of a sharded model call
        `fill(part, plan.rule(name).init, seed=plan.seed, stream=name, shape=..., start=...)`.

        Args:
            params: a mapping from parameter names to arrays that do not share memory. If parameters are tied, pass only
                one of them. Datasets of h5py and zarr are filled as by `fill`, one after the other; a group of an HDF5
                file whose members are all datasets is such a mapping.
            threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
            progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
                elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

        >>> params = {"fc.weight": np.empty((2, 3), np.float32), "fc.bias": np.empty(2, np.float32)}
        >>> Plan({"*.bias": Zeros(), "*": Constant(0.5)}).fill(params)["fc.weight"]
        array([[0.5, 0.5, 0.5],
               [0.5, 0.5, 0.5]], dtype=float32)

        Raises:
            TypeError: a name is not a string, or an array cannot be filled because of its type.
            ValueError: no rule matches a parameter, a rule matches no parameter, two arrays share memory, or an
                initializer does not fit its array. The message names the parameter.
        """
        if not isinstance(params, Mapping):
            raise TypeError(
                f"params must be a mapping from names to arrays, got {type(params).__name__}; of a torch module fill "
                "all parameters by weightfill.torch.initialize, or by materialize those on meta; of a group of zarr's "
                "pass dict(group.arrays())"
            )
        streams, arrays = streams_of(params), list(params.values())
        counters: list[Array] = []
        if may_have_counters(streams):
            counters = [array for name, array in zip(streams, arrays, strict=True) if _is_counter(name, array)]
            pairs = [pair for pair in zip(streams, arrays, strict=True) if not _is_counter(*pair)]
            streams, arrays = [name for name, _ in pairs], [array for _, array in pairs]
        if any(is_read_only(counter) if is_dataset(counter) else not counter.flags.writeable for counter in counters):
            raise ValueError("params must be writable, got a read-only num_batches_tracked")
        check_names(streams, self.rule)
        self._fill(streams, arrays, threads, progress)
        for counter in counters:
            counter[...] = 0
        return params

    def _fill(self, names: list[str], arrays: list[Array], threads: int | None, progress: Progress) -> None:
        """Fill arrays by stream."""
        numbers = self._list.numbers(names)
        kept = {number for number, rule in enumerate(self._list.all) if isinstance(rule.init, KeepValues)}
        if kept:
            made = [number not in kept for number in numbers]
            names, arrays = list(compress(names, made)), list(compress(arrays, made))
            numbers = list(compress(numbers, made))
        seen = [plain_array(array) for array in arrays]
        dtypes, laws, whole = self._laws(names, seen, numbers)
        shapes = [array.shape for array in seen]
        total = int(sum(map(_size, seen)))
        count = threads_for(total, threads)
        check_progress(progress)
        check_apart(names, arrays)
        for tensor in whole.values():
            tensor._check_installed()
        with ticking(progress, total) as tick:
            _fill_drawn(arrays, shapes, dtypes, laws, names, self._seed or 0, count, tick)
            done = total - int(sum(seen[place].size for place in whole))
            for place, tensor in whole.items():
                tensor.fill(seen[place], threads=threads, progress=following(tick, done))
                done += tensor.size

    def _laws(
        self, names: list[str], arrays: list[Array], numbers: list[int]
    ) -> tuple[list[int], list[_core.Law | None], dict[int, Tensor]]:
        """Return the core's dtype and law of every array, and by place the tensors that are filled one by one.

        Those have no law here: what is made in one piece, and datasets. Errors are those of `fill`.
        """
        groups, dtypes_of_groups = _core.plain_arrays(arrays, _NUMPY_NUMBERS)
        keys = len(arrays) + 1  # more than there are groups
        by_name = {number for number, rule in enumerate(self._list.all) if names_decide(rule.init)}
        known: dict[int, _core.Law] = {}  # but for those that depend on the name, as masks may, too
        laws: list[_core.Law | None] = []
        whole: dict[int, Tensor] = {}
        dtypes = [dtypes_of_groups[group] if group >= 0 else 0 for group in groups]
        for place, (number, group) in enumerate(zip(numbers, groups, strict=True)):
            law = known.get(number * keys + group)
            if law is None:
                tensor = self._tensor(names[place], arrays[place], number)
                law = None if group < 0 and is_dataset(arrays[place]) else tensor._core_law
                dtypes[place] = tensor._dtype_number
                if law is None:
                    whole[place] = tensor
                elif group >= 0 and number not in by_name and not isinstance(tensor.law, Masked):
                    known[number * keys + group] = law
            laws.append(law)
        return dtypes, laws, whole

    def _tensor(self, name: str, out: Array, number: int) -> Tensor:
        """Return what one array is to hold; errors as of `fill`."""
        init = self._list.all[number].init
        if type(out).__module__.partition(".")[0] == "torch":
            raise TypeError(
                f"params[{shown(name)}] must be a NumPy array, got torch's {type(out).__name__}; fill the module that "
                "it is of by weightfill.torch.initialize, or by materialize where it is on meta"
            )
        try:
            if is_dataset(out):
                dtype = writable_dataset(out, "out")
                return Tensor(out.shape, init, seed=self._seed, stream=name, dtype=dtype)
            kind = writable_memory(out, "out")
            new, seed, stream = object.__new__(Tensor), self._seed or 0, stream_number(name)
            return define(new, out.shape, init, seed, name, stream, out.dtype, kind.number)
        except (TypeError, ValueError) as error:
            raise type(error)(f"params[{shown(name)}], {shown(init)}: {error}") from error

    @explained
    def tensors(self, shapes: Shapes, dtype: DTypeLike | None = None) -> dict[str, Tensor]:
        """Return every tensor of a model that is drawn, by name: defined, not made.

        The values are those that `fill` and `write` give. Of tied parameters the first is here; batch counters of norms
        are not drawn and are left out.

        Args:
            shapes: a mapping from names to shapes, arrays or torch tensors, a torch module, or the path of a JSON
                manifest, as for `write`.
            dtype: the dtype of all tensors that are not integers; by default that of `shapes`, or float32.

        >>> plan = Plan({"*.bias": Zeros(), "*": Normal(std=0.02)}, seed=42)
        >>> plan.tensors({"emb.weight": (10**9, 128), "fc.bias": 8})["emb.weight"][10**8, :2].round(4)
        array([-0.0037, -0.0199], dtype=float32)

        Raises:
            TypeError: `shapes` is neither a mapping, a module nor a path, or a name is not a string.
            ValueError: no rule matches a parameter, a rule matches no parameter, or an initializer does not fit its
                tensor.
        """
        drawn, assigned = drawn_by(self, specs(shapes, dtype))
        return tensors_of(self, drawn, assigned)

    @explained
    def explain(self, shapes: Shapes, dtype: DTypeLike | None = None) -> Explanation:
        """Return the rule, distribution, fans and bytes of every parameter; print the result to see a table.

        Args:
            shapes: a mapping from names to shapes, arrays or torch tensors, a torch module, or the path of a JSON
                manifest, as for `write`.
            dtype: the dtype of all tensors that are not integers; by default that of `shapes`, or float32.

        >>> plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
        >>> print(plan.explain({"fc.weight": (8, 2), "fc.bias": 8}))
        parameter  shape  dtype    rule    distribution           fans  bytes
        fc.weight  8 x 2  float32  *       Normal(mean=0, std=1)  2, 8     64
        fc.bias    8      float32  *.bias  Constant(value=0)               32
        2 parameters, 24 elements, 96 bytes

        Raises:
            TypeError: `shapes` is neither a mapping, a module nor a path, or a name is not a string.
            ValueError: no rule matches a parameter, a rule matches no parameter, or an initializer does not fit its
                tensor.
        """
        return explain(self, shapes, dtype)

    @explained
    def write(
        self,
        path: str | os.PathLike[str],
        shapes: Shapes | None = None,
        dtype: DTypeLike | None = None,
        *,
        like: str | os.PathLike[str] | None = None,
        shard_bytes: int | None = None,
        replace: bool = False,
        sync: bool = False,
        direct: bool = False,
        threads: int | None = None,
        progress: Progress = None,
    ) -> list[Path]:
        """Write the initial values of a model to safetensors files, in constant memory, and return their paths.

        The file appears only when it is complete. If writing fails or is stopped, existing files stay as they were. The
        values are those of `fill` for arrays of the same shapes and dtypes. Tied parameters are written once, under the
        first name. Integers are not random: batch counters of norms, `num_batches_tracked`, are zeros. Others, such as
        position ids, are written if their values are known, from a manifest or a module's memory, and left out
        otherwise (`load_state_dict(..., strict=False)` keeps those of the module). A `Sparse` tensor whose rows are
        split by blocks of 4 MB takes a bit for each of its elements, or 8 bytes for each connection, while it is
        written.

        Args:
            path: the path of the file, such as "model.safetensors".
            shapes: one of these. A torch module: everything that `weightfill.torch.initialize` fills is written, with
                the same values, and other buffers as they are in memory. A mapping from names to shapes, arrays or
                torch tensors, such as a state_dict() on the meta device; it does not say which rows of embeddings are
                padding and which tensors are buffers, so prefer the module. The path of a JSON manifest
                `{"name": [rows, columns], "name": {"shape": [...], "dtype": "bfloat16"}, "name": {"tied_to": "name"}}`.
                Buffers may have `"buffer": true` (drawn only by a rule that no parameter has) or `"values": [...]`,
                embeddings `"zero_rows": [0]`.
            dtype: the dtype of all tensors that are not integers; by default that of `shapes` or `like`, or float32.
            like: instead of `shapes`, the path of a checkpoint (or its .index.json). Only its headers are read.
            shard_bytes: the most bytes of tensors per file, such as 5_000_000_000. A larger model is written as
                model-00001-of-0000N.safetensors and so on, with model.safetensors.index.json as in Hugging Face.
            replace: whether existing files may be replaced.
            sync: whether to wait until the files are on the disk.
            direct: whether to write past the page cache (O_DIRECT), where the file system supports it. This is faster
                if the cache is slow or much smaller than the model, as in many virtual machines. It is slower if the
                model fits into fast memory. Reading the file afterwards then has to go to the disk. The bytes are the
                same.
            threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
            progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
                elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
        ...     [file.name for file in plan.write(f"{folder}/model.safetensors", {"fc.weight": (8, 2), "fc.bias": 8})]
        ['model.safetensors']

        Raises:
            TypeError: `shapes` is neither a mapping, a module nor a path, a name is not a string, or another argument
                has a wrong type.
            ValueError: no rule matches a parameter, a rule matches no parameter, an initializer does not fit its
                tensor, or the manifest or checkpoint is damaged.
            FileExistsError: a file exists and `replace` is False.
            OSError: the system cannot write the file. If space is short, nothing is written.
        """
        return write_checkpoint(
            self,
            path,
            shapes,
            dtype,
            like=like,
            shard_bytes=shard_bytes,
            replace=replace,
            sync=sync,
            direct=direct,
            threads=threads,
            progress=progress,
        )

    @classmethod
    def from_toml(cls, text: str, *, folder: str | os.PathLike[str] = ".") -> Plan:
        r"""Return the plan that a TOML document describes; see `to_toml` for the format.

        `init` may be any spelling of a name, or a call with all parameters within.

        Args:
            text: the document.
            folder: where files lie that it names: that of the document. Large `Values` are in such files.

        >>> Plan.from_toml('[[rule]]\nmatch = "*"\ninit = "constant(0.5)"')
        Plan({'*': Constant(value=0.5)}, seed=None)

        Raises:
            ValueError: it is not TOML, a key or an initializer is unknown (the message suggests the nearest one), or a
                parameter of an initializer is wrong, or a file with values is not there.
        """
        found = rules_of(text, folder)
        return cls(found.rules, seed=found.seed)

    def to_toml(self, *, values: str | os.PathLike[str] | None = None, replace: bool = False) -> str:
        """Return the plan as a TOML document; `from_toml` reads it back.

        Args:
            values: the path of a safetensors file, which gets all `Values` of more than 1,024 numbers; the document
                has its name and must lie beside it. Without such, no file is written.
            replace: whether this file may be replaced.

        >>> print(Plan({"*.bias": Zeros(), "*emb*": Normal(std=0.02)}, seed=42).to_toml())
        seed = 42
        <BLANKLINE>
        [[rule]]
        match = "*.bias"
        init = "Zeros"
        <BLANKLINE>
        [[rule]]
        match = "*emb*"
        init = "Normal"
        std = 0.02
        <BLANKLINE>

        Raises:
            TypeError: an initializer is not one of weightfill's own, or an argument has a wrong type.
            ValueError: there are `Values` of more than 1,024 numbers and no path for them, or no file can have it.
            FileExistsError: the file exists and `replace` is False.
            OSError: the system cannot write the file.
        """
        if values is None:
            return toml_of(self)
        text = toml_of(self, os.path.basename(checked_checkpoint_path(values)))
        if large := large_values(self):
            write_arrays(values, arrays_of(large), replace=replace)
        return text

    def _repr_html_(self) -> str:
        rows = [
            {"rule": printable(rule.pattern), "initializer": repr(rule.init), "": "optional" if rule.optional else ""}
            for rule in self.rules
        ]
        return table_of(rows, [f"seed {self._seed}"])

    def __repr__(self) -> str:
        if any(rule.optional for rule in self.rules):
            return f"Plan([{', '.join(map(repr, self.rules))}], seed={self._seed})"
        rules = ", ".join(f"{rule.pattern!r}: {rule.init}" for rule in self.rules)
        return f"Plan({{{rules}}}, seed={self._seed})"


def _is_counter(name: str, array: Array) -> bool:
    return is_counter(name, getattr(array, "dtype", None)) and (isinstance(array, np.ndarray) or is_dataset(array))


def _fill_drawn(
    arrays: list[Array],
    shapes: list[tuple[int, ...]],
    dtypes: list[int],
    laws: list[_core.Law | None],
    names: list[str],
    seed: int,
    threads: int,
    tick: Tick | None,
) -> None:
    """Fill the arrays that have a law."""
    given = [law for law in laws if law is not None]
    if len(given) < len(laws):
        drawn = [law is not None for law in laws]
        arrays, shapes, dtypes, names = (
            list(compress(arrays, drawn)),
            list(compress(shapes, drawn)),
            list(compress(dtypes, drawn)),
            list(compress(names, drawn)),
        )
    if given:
        _core.fill_all(arrays, shapes, dtypes, given, names, seed, threads, tick)
