"""The examples in the README run and print the results shown there."""

import doctest
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae.cli import build_parser, main
from skvae.datasets import write_idx

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


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)


def commands(text):
    """Return the words of every command in lines of a shell, of which some are continued."""
    return [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]


def test_all_python_in_the_readme_is_run_as_examples():
    fences = re.findall(r"^```(.*)$", README.read_text("utf-8"), re.M)
    assert set(fences[::2]) == {"python", "sh"}
    assert all(block.startswith(">>> ") for block in blocks("python"))


def test_all_commands_of_the_readme_are_of_make_or_of_skvae():
    words = [line for block in blocks("sh") for line in commands(block)]
    assert {line[0] for line in words} == {"make", "skvae"}
    for line in words:
        if line[0] == "skvae":
            build_parser().parse_args(line[1:])  # ends with SystemExit if it is wrong


def test_the_commands_in_an_example_have_valid_options():
    text = (README.parent / "examples" / "plot_mnist_samples.py").read_text("utf-8")
    lines = "".join(re.findall(r"^#     (.*\n)", text, re.M))
    verbs = [build_parser().parse_args(line[1:]).verb for line in commands(lines)]
    assert verbs == ["fit", "sample"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default:.*holds other data than the official MNIST")
def test_the_commands_of_the_readme_work_as_they_stand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKVAE_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    (tmp_path / "mnist").mkdir()
    for kind, array in {
        "images-idx3": rng.integers(0, 256, (40, 28, 28)).astype(np.uint8),
        "labels-idx1": rng.integers(0, 10, 40).astype(np.uint8),
    }.items():
        for part in ("train", "t10k"):
            write_idx(tmp_path / "mnist" / f"{part}-{kind}-ubyte", array)
    lines = [f"{row[0]:.3f},{row[1]:.3f},{row[2] > 0}" for row in rng.normal(size=(40, 3))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,class", *lines]))
    (tmp_path / "new.csv").write_text("a,b\n1,2\n3,4\n")
    lines = [f"c{row:03},{'basic' if row % 3 else 'plus'},{rng.poisson(9)}" for row in range(40)]
    for name in ("customers.csv", "new_customers.csv"):
        (tmp_path / name).write_text("\n".join(["customer_id,plan,visits", *lines]))
    lines = [f"p{row:03},{'a' if row % 2 else ''},{rng.poisson(9)}" for row in range(40)]
    (tmp_path / "survey.csv").write_text("\n".join(["person,answer,age", *lines, "p040,b,"]))
    before = set(tmp_path.iterdir())
    for block in blocks("sh"):
        for line in commands(block):
            if line[0] == "skvae":
                assert main(line[1:]) == 0, capsys.readouterr().err
    written = {path.name for path in set(tmp_path.iterdir()) - before}
    models = {"model.skvae", "table.skvae", "customers.skvae", "survey.skvae", "checkpoints"}
    tables = {"scores.csv", "outliers.csv", "synthetic.csv", "filled.csv"}
    assert written == models | tables | {"digits.png", "map.png"}


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
