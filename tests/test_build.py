"""The distributions: built, looked into, and tried in an environment of their own."""

import os
import re
import subprocess
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import skvae

ROOT = Path(skvae.__file__).parents[1]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_version_is_the_same_everywhere():
    version = project()["version"]
    recipe = (ROOT / ".ci" / "conda" / "meta.yaml").read_text("utf-8")
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert skvae.__version__ == version
    assert re.search(r'version: "(.*)"', recipe)[1] == version
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == version


def test_the_conda_recipe_has_the_requirements_of_the_package():
    renamed = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    expected = {f"python {project()['requires-python']}"}
    for requirement in project()["dependencies"]:
        name, floor = requirement.split(">=")
        expected.add(f"{renamed.get(name, name)} >={floor}")
    recipe = (ROOT / ".ci" / "conda" / "meta.yaml").read_text("utf-8")
    run = re.search(r"^  run:\n((?:    - .*\n)*)", recipe, re.M)[1]
    assert set(re.findall(r"- (.*)", run)) == expected


def run(*command, **settings):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = list(map(str, command))
    return subprocess.run(command, check=True, text=True, capture_output=True, env=env, **settings)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the interpreter of a new environment with the tools that build distributions."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    tools = ("build", "hatchling", "twine")
    try:
        run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *tools)
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"the tools cannot be installed here: {exc.stderr.strip()[-200:]}")
    return python


@pytest.fixture(scope="module")
def distributions(environment, tmp_path_factory):
    """Return the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(environment, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(distributions):
    _, wheel = distributions
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skvae").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= names
    assert all(".dist-info/" in name for name in names - expected)


@pytest.mark.slow
def test_the_source_distribution_holds_what_its_tests_need(distributions):
    source, _ = distributions
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = ("pyproject.toml", "README.md", "LICENSE", "SECURITY.md", "constraints.txt")
    needed += ("CITATION.cff", ".ci/conda/meta.yaml", "docs/llms.txt")
    assert {*needed, "skvae/__init__.py", "tests/test_build.py", "examples/demo.py"} <= names
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


@pytest.mark.slow
def test_the_distributions_pass_the_checks_of_the_index(distributions, environment):
    checked = run(environment, "-m", "twine", "check", "--strict", *distributions)
    assert checked.stdout.count("PASSED") == 2


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_an_environment_of_its_own(distributions, environment, tmp_path):
    _, wheel = distributions
    run(environment, "-m", "pip", "install", "-q", "--no-deps", wheel)
    purelib = run(environment, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    packages = Path(purelib.stdout.strip())
    # the dependencies are those of these tests, which come after the packages of the environment
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    found = run(environment, "-c", "import skvae; print(skvae.__file__)", cwd=tmp_path)
    assert Path(found.stdout.strip()).is_relative_to(packages)
    run(environment, ROOT / "examples" / "demo.py", cwd=tmp_path)
    command = environment.with_name("skvae" + environment.suffix)
    assert run(command, "--version").stdout == f"skvae {skvae.__version__}\n"
    run(command, "fit", "digits", "--max-epochs", 1, "-o", "m.skvae", cwd=tmp_path)
    assert "VAETransformer" in run(command, "info", "m.skvae", cwd=tmp_path).stdout
