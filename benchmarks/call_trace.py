"""Number of files of the package that a fit, a score and the loading of a model enter.

    python benchmarks/call_trace.py [--verbose]

This is the number of files that a reader has to open to follow one call. A file counts if at least
one of its functions or methods is called. The estimators have default parameters and are fitted to
iris for one epoch. Each call is traced after an untraced call, so that imports and caches do not
count; bodies of modules and classes, comprehensions and generator expressions are not functions.
With --verbose, the files are listed in the order in which they are entered, with the number of
their functions that are called.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from sklearn.datasets import load_iris

import skvae

PACKAGE = Path(skvae.__file__).parent
ESTIMATORS = (skvae.VAETransformer, skvae.VAEAnomalyDetector)
EXPRESSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}

Functions = dict[str, set[str]]  # file -> qualified names, in the order in which files are entered


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--verbose", action="store_true", help="list the files")
    settings = parser.parse_args()
    print("files  call")
    for name, functions in traces().items():
        print(f"{len(functions):5}  {name}")
        for file, names in functions.items() if settings.verbose else ():
            print(f"{'':9}{file} ({len(names)})")


def traces() -> dict[str, Functions]:
    """Trace one-epoch fits, scores and the loading of models, after an untraced call of each."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for estimator in ESTIMATORS:
            for name, call in _calls(estimator, Path(folder)).items():
                call()
                found[name] = functions_called(call)
    return found


def functions_called(call: Callable[[], Any], package: Path = PACKAGE) -> Functions:
    """Return the functions of a package that a call enters, by file relative to its folder."""
    found: Functions = {}

    def record(frame, event, _):
        if event == "call" and _is_function(code := frame.f_code):
            path = Path(code.co_filename)
            if path.is_relative_to(package):
                found.setdefault(str(path.relative_to(package)), set()).add(code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


def _calls(estimator: type, folder: Path) -> dict[str, Callable[[], Any]]:
    X = load_iris().data
    model = estimator(max_epochs=1, random_state=0).fit(X)
    name = estimator.__name__
    file = folder / f"{name}.skvae"
    skvae.save(model, file)
    return {
        f"{name}.fit": partial(model.fit, X),
        f"{name}.score_samples": partial(model.score_samples, X),
        f"skvae.load of {name}": partial(skvae.load, file),
    }


def _is_function(code: CodeType) -> bool:
    # the bodies of modules and classes run without fast locals
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and code.co_name not in EXPRESSIONS


if __name__ == "__main__":
    main()
