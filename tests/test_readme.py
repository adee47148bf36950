"""The README's examples run and print what it says."""

import doctest
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

README = Path(__file__).parents[1] / "README.md"
NUMBER = r"-?\d+(?:\.\d+)?"


class CloseNumbers(doctest.OutputChecker):
    """Takes numbers that agree within 2 %: processors and threads round in their own ways."""

    def check_output(self, want, got, optionflags):
        expected, printed = ([float(n) for n in re.findall(NUMBER, text)] for text in (want, got))
        same_words = re.sub(NUMBER, "#", want) == re.sub(NUMBER, "#", got)
        return same_words and printed == pytest.approx(expected, rel=0.02)


def test_the_examples_print_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # they write files
    examples = doctest.DocTestParser().get_doctest(README.read_text(), {}, "README", str(README), 0)
    runner = doctest.DocTestRunner(checker=CloseNumbers())
    outcome = runner.run(examples)
    plt.close("all")
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_numbers_may_differ_a_little_and_words_not_at_all():
    agrees = CloseNumbers().check_output
    assert agrees("accuracy 0.96, -137 nats", "accuracy 0.95, -136 nats", 0)
    assert not agrees("accuracy 0.96, -137 nats", "accuracy 0.90, -137 nats", 0)
    assert not agrees("accuracy 0.96", "precision 0.96", 0)


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target} " in README.read_text(encoding="utf-8")
        assert f"\n{target}: " in makefile
