"""The number of files that a call enters is counted correctly and stays within its limit."""

import sys
import textwrap
from importlib import import_module

import pytest

from benchmarks.call_trace import functions_called, traces

LIMITS = {
    # among them, in all, the one that tells arrays from sparse rows and rows on disk; of `fit`, the
    # one that asks if several processes train together
    "VAETransformer.fit": 18,
    "VAETransformer.score_samples": 8,
    # among them the three of the checks of a file: declared fields, their kinds, and the allowance
    "skvae.load of VAETransformer": 17,
    "VAEAnomalyDetector.fit": 21,
    "VAEAnomalyDetector.score_samples": 9,
    "skvae.load of VAEAnomalyDetector": 17,
}

SMALL_PACKAGE = {
    "__init__.py": "from traced_package.a import enter\n",
    "a.py": """
        from traced_package import b, c, d

        def enter():
            return sum(n for n in [b.B().method(n) for n in range(2)]) + len(c.NUMBERS)

        def never_called():
            pass
        """,
    "b.py": """
        class B:
            def method(self, n):
                double = lambda n: 2 * n
                return double(n)
        """,
    "c.py": "NUMBERS = [n for n in range(3)]\n",
    "d.py": """
        def on_import():
            class Local:
                squares = [n * n for n in range(3)]

        on_import()
        """,
}


@pytest.fixture
def small_package(tmp_path, monkeypatch):
    folder = tmp_path / "traced_package"
    folder.mkdir()
    for name, text in SMALL_PACKAGE.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "traced_package"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def found():
    return traces()


def test_only_functions_of_the_package_are_counted(small_package):
    enter = import_module("traced_package").enter
    assert functions_called(lambda: enter(), small_package) == {
        "a.py": {"enter"},
        "b.py": {"B.method", "B.method.<locals>.<lambda>"},
    }


def test_bodies_of_modules_and_classes_are_not_functions(small_package):
    found = functions_called(lambda: import_module("traced_package"), small_package)
    assert found == {"d.py": {"on_import"}}


def test_files_are_listed_in_the_order_of_entry(found):
    files = list(found["VAETransformer.score_samples"])
    assert files[:3] == ["_base.py", "_rows/opening.py", "_rows/arrays.py"]


def test_a_profile_function_is_restored_after_the_call():
    def profile(frame, event, argument):
        pass

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        functions_called(lambda: None)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("call", LIMITS)
def test_the_number_of_files_stays_within_the_limit(call, found):
    assert len(found[call]) <= LIMITS[call], list(found[call])
