"""The README's examples run and print what it says."""

import doctest
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_print_what_the_readme_says():
    outcome = doctest.testfile(str(README), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target} " in README.read_text(encoding="utf-8")
        assert f"\n{target}: " in makefile
