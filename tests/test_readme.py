"""The examples in the README run and print the results shown there."""

import doctest
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

README = Path(__file__).parents[1] / "README.md"
NUMBER = r"-?\d+(?:\.\d+)?"


class CloseNumbers(doctest.OutputChecker):
    """Accepts numbers that agree within 2 %, because rounding depends on processor and threads."""

    def check_output(self, want, got, optionflags):
        expected, printed = ([float(n) for n in re.findall(NUMBER, text)] for text in (want, got))
        same_words = re.sub(NUMBER, "#", want) == re.sub(NUMBER, "#", got)
        return same_words and printed == pytest.approx(expected, rel=0.02)


def test_readme_examples_print_the_results_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the examples write files
    examples = doctest.DocTestParser().get_doctest(README.read_text(), {}, "README", str(README), 0)
    runner = doctest.DocTestRunner(checker=CloseNumbers())
    outcome = runner.run(examples)
    plt.close("all")
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_numbers_may_differ_by_2_percent_but_words_may_not():
    agrees = CloseNumbers().check_output
    assert agrees("accuracy 0.96, -137 nats", "accuracy 0.95, -136 nats", 0)
    assert not agrees("accuracy 0.96, -137 nats", "accuracy 0.90, -137 nats", 0)
    assert not agrees("accuracy 0.96", "precision 0.96", 0)


def test_both_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target} " in README.read_text(encoding="utf-8")
        assert f"\n{target}: " in makefile
