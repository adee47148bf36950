"""The architecture as a test: who may import whom, and how long a file may grow."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import skvae

ROOT = Path(next(iter(skvae.__path__)))

# Each entry of the package folder and its floor; CONTRIBUTING.md says what lives there.
FLOORS = {
    "_batches": 0,
    "_budget": 0,
    "_codec": 0,
    "_model_file": 0,
    "_random": 0,
    "_signals": 0,
    "_validation": 0,
    "datasets": 0,
    "networks": 1,
    "likelihoods": 1,
    "priors": 1,
    "objectives": 1,
    "_module": 2,
    "_callbacks": 3,
    "_checkpoint": 3,
    "_compiled": 3,
    "_inference": 3,
    "_net": 3,
    "_onnx": 4,
    "_optimizers": 3,
    "_parameters": 3,
    "_resume": 3,
    "_strided": 2,
    "_serialization": 3,
    "_training": 3,
    "_working_copy": 3,
    "scores": 4,
    "_base": 5,
    "_detection": 5,
    "_density": 0,
    "_fitted": 5,
    "_transformer": 5,
    "_anomaly": 5,
    "metrics": 6,
    "plotting": 6,
    "persistence": 6,
    "cli": 7,
    "__main__": 8,
    "__init__": 7,
}

MAX_LINES = 300
LONG_FILES = {}  # path in the package: the reason why it may be longer

PRIVATE_SKLEARN = {"_validation.py"}  # the one door for scikit-learn's private names
WITHOUT_TORCH = {"datasets"}


def violations(root):
    """Every breach of the architecture by the package at `root`, as readable lines."""
    files = {_module_name(path, root): path for path in sorted(root.rglob("*.py"))}
    found, graph = [], {}
    for module, path in files.items():
        source = path.read_text(encoding="utf-8")
        inside = path.relative_to(root)
        names = list(_imported_names(ast.parse(source)))
        graph[module] = {_resolve(name, files) for name in names} - {None, module}
        found += _check_length(inside, source)
        found += _check_foreign_imports(inside, names)
        for target in sorted(graph[module]):
            found += _check_floor(inside, files[target].relative_to(root))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        found.append(f"circular import: {' <- '.join(exc.args[1])}")
    return found


def _module_name(path, root):
    """`skvae.networks._mlp`; a folder's `__init__.py` is the folder itself."""
    parts = (root.name, *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_names(tree):
    """Dotted names that a file imports anywhere, within functions too; relative ones as `.`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            dot = "." if node.module else ""
            yield from (f"{base}{dot}{alias.name}" for alias in node.names)


def _resolve(name, files):
    """The file of the package that defines `name`: itself a module, or a name in its parent."""
    if name in files:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in files else None


def _check_length(inside, source):
    n_lines = source.count("\n")
    if n_lines >= MAX_LINES and inside.as_posix() not in LONG_FILES:
        yield f"{inside} has {n_lines} lines: split it, or give a reason in LONG_FILES"


def _check_foreign_imports(inside, names):
    for name in names:
        package, *rest = name.split(".")
        if name.startswith("."):
            yield f"{inside} imports {name} relatively: write the absolute name"
        private = any(part.startswith("_") and part != "__version__" for part in rest)
        if package == "sklearn" and private and str(inside) not in PRIVATE_SKLEARN:
            yield f"{inside} imports {name}, which is private: go through _validation.py"
        if package in ("torch", "skorch") and inside.parts[0] in WITHOUT_TORCH:
            yield f"{inside} imports {name}: {inside.parts[0]}/ does without torch"


def _check_floor(inside, target):
    """Down is allowed; level is allowed within one folder; up is not."""
    floors = [FLOORS.get(path.with_suffix("").parts[0]) for path in (inside, target)]
    for path, floor in zip((inside, target), floors, strict=True):
        if floor is None:
            yield f"{path} is on no floor: enter it in FLOORS and in CONTRIBUTING.md"
    if None in floors:
        return
    if floors[0] < floors[1]:
        yield f"{inside} (floor {floors[0]}) imports {target} (floor {floors[1]}) above it"
    elif floors[0] == floors[1] and inside.parts[:-1][:1] != target.parts[:-1][:1]:
        yield f"{inside} imports {target}, its neighbour on floor {floors[0]}"


def test_the_package_keeps_to_its_floors():
    assert violations(ROOT) == []


def test_every_file_has_a_floor():
    entries = {path.relative_to(ROOT).with_suffix("").parts[0] for path in ROOT.rglob("*.py")}
    assert entries <= set(FLOORS)


def test_long_files_are_still_there_and_long():
    for name in LONG_FILES:
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) >= MAX_LINES


SOUND = {
    "__init__.py": "from skvae._transformer import T\nfrom skvae import datasets\n",
    "_random.py": "import torch\n",
    "_batches.py": "from skvae._random import a\n",
    "_validation.py": "from sklearn.utils._param_validation import Interval\n",
    "datasets/__init__.py": "from skvae.datasets._idx import read_idx\n",
    "datasets/_idx.py": "import numpy as np\n",
    "networks/__init__.py": "from skvae.networks._mlp import MLP\n",
    "networks/_mlp.py": "from skvae._validation import Interval\nfrom sklearn import __version__\n",
    "priors/__init__.py": "",
    "_module.py": "def f():\n    import skvae.networks\n",
    "_base.py": "from skvae._module import M\n",
    "_transformer.py": "from skvae._base import B\n",
}


def plant(folder, files):
    root = folder / "skvae"
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def test_a_sound_package_passes(tmp_path):
    assert violations(plant(tmp_path, SOUND)) == []


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("_random.py", "from skvae._module import M", "(floor 0) imports _module.py (floor 2)"),
        ("_module.py", "def f():\n    from skvae import _base", "imports _base.py (floor 5) above"),
        ("_module.py", "import skvae._base as b", "imports _base.py (floor 5) above"),
        ("_module.py", "from skvae import VAETransformer", "imports __init__.py (floor 7) above"),
        ("networks/_mlp.py", "from skvae.priors import P", "its neighbour on floor 1"),
        ("networks/_mlp.py", "from skvae import priors", "its neighbour on floor 1"),
        ("datasets/_idx.py", "from skvae._validation import x", "its neighbour on floor 0"),
        ("networks/_mlp.py", "from skvae.networks import Conv", "circular import"),
        ("_random.py", "import skvae._batches", "circular import: skvae._"),
        ("networks/_conv.py", "from . import _mlp", "_conv.py imports ._mlp relatively"),
        ("networks/_conv.py", "from ._mlp import MLP", "_conv.py imports ._mlp.MLP relatively"),
        ("_net.py", "from sklearn.utils import _tags", "which is private"),
        ("_net.py", "import sklearn.utils._tags", "which is private"),
        ("datasets/_new.py", "import torch.nn", "does without torch"),
        ("_new.py", "import skvae._random", "_new.py is on no floor"),
        ("_net.py", "\n" * 300, "_net.py has 300 lines"),
    ],
)
def test_a_breach_is_found(tmp_path, name, source, message):
    found = violations(plant(tmp_path, {**SOUND, name: source}))
    assert any(message in line for line in found)
