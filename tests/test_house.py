"""The architecture as a test: who may import whom, and what a file must say of itself."""

import ast
import io
import re
import tokenize
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import skvae

ROOT = Path(next(iter(skvae.__path__)))
CONTRIBUTING = ROOT.parent / "CONTRIBUTING.md"

# The lines of the house, from the ground up, as CONTRIBUTING.md says what lives on each. A file
# imports from lines below its own, or from files in its own folder, and never in a circle.
HOUSE = [
    ("_random.py", "_validation.py", "_disk/"),
    ("_parts.py",),
    ("_rows/",),
    ("_scaling.py",),
    ("datasets/",),
    ("networks/", "likelihoods/", "priors/", "objectives/"),
    ("_model/",),
    ("_training/",),
    ("scores/",),
    ("_specs.py",),
    ("_base.py",),
    ("_transformer.py", "_detector.py", "_imputer.py", "_classifier.py"),
    ("_files/",),
    ("persistence.py",),
    ("compression/",),
    ("metrics/",),
    ("plotting/",),
    ("__init__.py",),
    ("cli/",),
    ("__main__.py",),
]
LINE_OF = {entry: number for number, entries in enumerate(HOUSE) for entry in entries}

LONG = 500  # lines; the first comment of a longer file gives the reason
PRIVATE_SKLEARN = {"_validation.py"}  # the one door for scikit-learn's private names
WITHOUT_TORCH = {"datasets/"}
MAY_REPEAT = {"__init__", "base"}  # names of files that may occur in several folders


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
            found += _check_line(inside, files[target].relative_to(root))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        found.append(f"circular import: {' <- '.join(exc.args[1])}")
    return [*found, *_check_names(files.values())]


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
    comment = next(_comments(source), "")
    if n_lines > LONG and f"Over {LONG} lines:" not in comment:
        yield f"{inside} has {n_lines} lines: split it, or say why in its first comment"
    if n_lines <= LONG and f"Over {LONG} lines:" in comment:
        yield f"{inside} has {n_lines} lines, and its first comment says more"


def _comments(source):
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _check_foreign_imports(inside, names):
    for name in names:
        package, *rest = name.split(".")
        if name.startswith("."):
            yield f"{inside} imports {name} relatively: write the absolute name"
        private = any(part.startswith("_") and part != "__version__" for part in rest)
        if package == "sklearn" and private and str(inside) not in PRIVATE_SKLEARN:
            yield f"{inside} imports {name}, which is private: go through _validation.py"
        if package in ("torch", "skorch") and _entry(inside) in WITHOUT_TORCH:
            yield f"{inside} imports {name}: {_entry(inside)} does without torch"


def _check_line(inside, target):
    """Down is allowed; level is allowed within one folder; up is not."""
    entries = [_entry(inside), _entry(target)]
    lines = [LINE_OF.get(entry) for entry in entries]
    if None in lines:
        unknown = entries[lines.index(None)]
        yield f"{unknown} has no line in HOUSE: enter it there and in CONTRIBUTING.md"
    elif lines[0] < lines[1]:
        yield f"{inside} (line {lines[0]}) imports {target} (line {lines[1]}) above it"
    elif lines[0] == lines[1] and entries[0] != entries[1]:
        yield f"{inside} imports {target}, its neighbour on line {lines[0]}"


def _entry(path):
    return path.name if len(path.parts) == 1 else f"{path.parts[0]}/"


def _check_names(paths):
    counts = Counter(
        path.stem if path.stem == "__init__" else path.stem.strip("_") for path in paths
    )
    for name, count in counts.items():
        if count > 1 and name not in MAY_REPEAT:
            yield f"{count} files are called {name}.py, underscores aside"


def test_the_package_keeps_to_its_house():
    assert violations(ROOT) == []


def test_every_entry_of_the_package_has_a_line_and_exists():
    entries = {_entry(path.relative_to(ROOT)) for path in ROOT.rglob("*.py")}
    assert entries == set(LINE_OF)


def test_at_most_ten_private_modules_lie_beside_the_folders():
    private = [path.name for path in ROOT.glob("_*.py") if not path.name.startswith("__")]
    assert len(private) <= 10


def test_contributing_describes_the_same_house():
    table = re.findall(r"^\| (`.+?`) +\| \S", CONTRIBUTING.read_text("utf-8"), flags=re.MULTILINE)
    described = [tuple(re.findall(r"`([^`]+)`", cell)) for cell in table]
    assert described == HOUSE


SOUND = {
    "__init__.py": "from skvae._transformer import T\nfrom skvae import datasets\n",
    "_random.py": "import torch\n",
    "_rows/__init__.py": "",
    "_rows/batches.py": "from skvae._random import a\n",
    "_validation.py": "from sklearn.utils._param_validation import Interval\n",
    "datasets/__init__.py": "from skvae.datasets._idx import read_idx\n",
    "datasets/_idx.py": "import numpy as np\n",
    "networks/__init__.py": "from skvae.networks._mlp import MLP\n",
    "networks/_mlp.py": "from skvae._validation import Interval\nfrom sklearn import __version__\n",
    "priors/__init__.py": "",
    "_model/__init__.py": "",
    "_model/module.py": "def f():\n    import skvae.networks\n",
    "_base.py": "from skvae._model.module import M\n",
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
        ("_random.py", "from skvae._model.module import M", "imports _model/module.py (line 6)"),
        ("_model/module.py", "def f():\n    from skvae import _base", "imports _base.py (line 10)"),
        ("_model/module.py", "import skvae._base as b", "imports _base.py (line 10) above it"),
        ("_model/module.py", "from skvae import VAETransformer", "imports __init__.py (line 17)"),
        ("networks/_mlp.py", "from skvae.priors import P", "its neighbour on line 5"),
        ("networks/_mlp.py", "from skvae import priors", "its neighbour on line 5"),
        ("_validation.py", "from skvae._random import x", "its neighbour on line 0"),
        ("networks/_mlp.py", "from skvae.networks import Conv", "circular import"),
        ("_random.py", "import skvae._rows.batches", "circular import: skvae._"),
        ("networks/_conv.py", "from . import _mlp", "_conv.py imports ._mlp relatively"),
        ("networks/_conv.py", "from ._mlp import MLP", "_conv.py imports ._mlp.MLP relatively"),
        ("_base.py", "from sklearn.utils import _tags", "which is private"),
        ("_base.py", "import sklearn.utils._tags", "which is private"),
        ("datasets/_new.py", "import torch.nn", "does without torch"),
        ("_new.py", "import skvae._random", "_new.py has no line in HOUSE"),
        ("_base.py", "\n" * 501, "_base.py has 501 lines: split it"),
        ("_base.py", "# Over 500 lines: no.", "_base.py has 0 lines, and its first comment"),
        ("priors/_idx.py", "", "2 files are called idx.py"),
    ],
)
def test_a_breach_is_found(tmp_path, name, source, message):
    found = violations(plant(tmp_path, {**SOUND, name: source}))
    assert any(message in line for line in found)


def test_a_long_file_that_says_why_passes(tmp_path):
    long = '"""A file."""\n\n# Over 500 lines: one class, whole.\n' + "\n" * 500
    assert violations(plant(tmp_path, {**SOUND, "_base.py": long})) == []
