"""Cost of `import skvae` and of a first fit beyond the libraries below, in fresh processes.

    python benchmarks/startup.py [--repeats 10] [--json FILE]

`import skvae` defers the import of its names to their first use, so `from skvae import
VAETransformer` is measured too. The first fit (100 rows of 8 features, 2 epochs) is compared with
the second fit in the same process. "modules" is the number of modules loaded at the end.
"""

from __future__ import annotations

from functools import partial

from _harness import Spread, arguments, report, take_turns
from _processes import fresh_process

LIBRARIES = "import torch, sklearn, skorch"
STATEMENTS = (LIBRARIES, "import skvae", "from skvae import VAETransformer")
FIRST_FIT = "first fit"
IMPORT = """
import json, sys, time
start = time.perf_counter()
exec(sys.argv[1])
seconds = time.perf_counter() - start
print(json.dumps([seconds, None, len(sys.modules), "torch._dynamo" in sys.modules]))
"""
FIT = """
import json, sys, time
import numpy as np
from skvae import VAETransformer

X = np.random.default_rng(0).normal(size=(100, 8))
def fit():
    start = time.perf_counter()
    VAETransformer(2, max_epochs=2, random_state=0).fit(X)
    return time.perf_counter() - start

first, second = fit(), fit()
print(json.dumps([first, second, len(sys.modules), "torch._dynamo" in sys.modules]))
"""


def main():
    settings = arguments(__doc__, repeats=10)
    contestants = {name: partial(fresh_process, IMPORT, name) for name in STATEMENTS}
    contestants[FIRST_FIT] = partial(fresh_process, FIT)
    runs = take_turns(contestants, settings.repeats)
    base = [run[0] for run in runs[LIBRARIES]]
    table = []
    for name, found in runs.items():
        spent, second_fit, n_modules, dynamo = zip(*found, strict=True)
        beyond, less = ("second fit", second_fit) if name == FIRST_FIT else (LIBRARIES, base)
        table.append(
            {
                "action": name,
                "seconds": Spread.of(list(spent)),
                "difference": _differences(spent, less),
                "from": beyond,
                "modules": max(n_modules),
                "torch._dynamo": "loaded" if any(dynamo) else "not loaded",
            }
        )
    report("Start-up in a fresh process", table, settings)


def _differences(spent, less):
    return Spread.of([one - other for one, other in zip(spent, less, strict=True)])


if __name__ == "__main__":
    main()
