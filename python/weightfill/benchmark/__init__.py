"""Measure how fast memory is written: as a share of what the machine can do, and one version beside another.

The *ceiling* is the rate at which all threads can write the same memory, measured in turns with what is timed. A share
of the ceiling can be compared between machines and days; gigabytes per second cannot. To know whether a change made
something slower, let both versions take turns: a `Comparison` has the change, its confidence interval and a verdict.

>>> import numpy as np, weightfill as wf
>>> from weightfill import benchmark
>>> table = np.zeros((1024, 1024), np.float32)
>>> share = benchmark.share_of_ceiling(lambda: wf.fill(table, wf.Normal(), seed=42), table, seconds=0.01)
>>> share.to_dict()["threads"] == wf.get_threads(), 0 < share.of_ceiling
(True, True)

For pytest-benchmark there is the fixture `fill_benchmark`, which records the share in `extra_info`. `import weightfill`
does not import this module.
"""

from weightfill.benchmark._ceiling import Ceiling, ceiling, write_at_ceiling
from weightfill.benchmark._comparison import Comparison, Verdict, compare_values
from weightfill.benchmark._in_turns import compare, compare_commands
from weightfill.benchmark._pythons import compare_pythons
from weightfill.benchmark._recorder import FillBenchmark
from weightfill.benchmark._share import Share, share_of_ceiling
from weightfill.benchmark._turns import Task, many, seconds, take_turns

__all__ = [
    "Ceiling",
    "Comparison",
    "FillBenchmark",
    "Share",
    "Task",
    "Verdict",
    "ceiling",
    "compare",
    "compare_commands",
    "compare_pythons",
    "compare_values",
    "many",
    "seconds",
    "share_of_ceiling",
    "take_turns",
    "write_at_ceiling",
]
