"""The import of the package: public names resolve when they are first used, and not before."""

import subprocess
import sys
from pathlib import Path

import pytest

import skvae

SUBPACKAGES = sorted(skvae._SUBPACKAGES)


def in_fresh_process(program):
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_importing_the_package_imports_nothing_large():
    program = "import sys, skvae; print({'torch', 'sklearn', 'matplotlib'} & set(sys.modules))"
    assert in_fresh_process(program) == "set()"


@pytest.mark.parametrize(
    "name",
    [
        # the others take the seconds of importing torch
        pytest.param(name, marks=[] if name == "datasets" else [pytest.mark.slow])
        for name in SUBPACKAGES
    ],
)
def test_subpackages_need_no_import_of_their_own(name):
    assert in_fresh_process(f"import skvae; print(skvae.{name}.__name__)") == f"skvae.{name}"


def test_public_names_are_listed_and_resolve():
    assert set(skvae.__all__) | set(SUBPACKAGES) <= set(dir(skvae))
    assert set(skvae._HOMES) == set(skvae.__all__) - {"__version__"}
    for name in skvae.__all__:
        assert getattr(skvae, name) is not None


def test_every_public_folder_is_a_subpackage():
    folders = {path.parent.name for path in Path(skvae.__file__).parent.glob("*/__init__.py")}
    public = {name for name in folders if not name.startswith("_")}
    assert set(SUBPACKAGES) == public - {"cli"}


def test_an_unknown_name_raises_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skvae' has no attribute 'VAETransfromer'"):
        skvae.VAETransfromer  # noqa: B018
