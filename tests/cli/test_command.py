"""The command as its users meet it, in processes of its own."""

import json
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import skvae
from skvae.cli import main

VERBS = ("fit", "transform", "reconstruct", "sample", "score", "plot", "info")
ROOT = Path(skvae.__file__).parents[1]


@pytest.mark.parametrize(
    ("verb", "options", "output"),
    [
        ("fit", ("--data", "digits", "--max-epochs", "1", "-o", "m.skvae"), "m.skvae"),
        ("transform", ("MODEL", "--data", "digits", "-o", "z.csv"), "z.csv"),
        ("reconstruct", ("MODEL", "--data", "digits", "-o", "x.png"), "x.png"),
        ("sample", ("MODEL", "-n", "100", "-o", "x.parquet"), "x.parquet"),
        ("score", ("MODEL", "--data", "digits", "-o", "s.npz"), "s.npz"),
        ("plot", ("MODEL", "latent", "--data", "digits", "-o", "x.pdf"), "x.pdf"),
        ("info", ("MODEL",), None),
    ],
)
def test_a_verb_does_its_work_and_says_so_to_machines(
    process, files, elsewhere, verb, options, output
):
    options = [str(files / "digits.skvae") if word == "MODEL" else word for word in options]
    done = process(verb, *options, "--json")
    assert (done.code, done.err) == (0, "")
    assert isinstance(json.loads(done.out), dict)
    assert done.out.count("\n") == 1
    assert [path.name for path in elsewhere.iterdir()] == ([output] if output else [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("fit --data digits -o m --max-epochs 0", 2, "Got 0 instead"),
        ("transform MODEL --data none.npz -o z.npy", 1, "none.npz: No such file or directory"),
        ("reconstruct none.skvae --data digits -o x.npy", 1, "none.skvae: No such file or direct"),
        ("sample MODEL -o x.jpg", 2, "must end in .npy, .npz, .csv, .parquet, .png, .pdf, .svg"),
        ("score broken.skvae --data digits", 1, "cannot be used as a model of skvae"),
        ("plot MODEL scores --data digits -o x.png", 2, "is no detector"),
        ("info", 2, "required: MODEL"),
    ],
)
def test_a_verb_names_a_mistake_and_shows_no_traceback(
    process, files, elsewhere, words, code, message
):
    (elsewhere / "broken.skvae").write_bytes((files / "digits.skvae").read_bytes()[:-1])
    words = [str(files / "digits.skvae") if word == "MODEL" else word for word in words.split()]
    done = process(*words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"skvae {words[0]}: error: ")
    assert message in done.err.splitlines()[0]
    assert "Traceback" not in done.err
    assert [path.name for path in elsewhere.iterdir()] == ["broken.skvae"]


def start(*argv):
    """Start the command with the signals of a terminal, whatever this process ignores."""
    return subprocess.Popen(
        [sys.executable, "-m", "skvae", *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


LONG = ("fit", "--data", "digits", "--limit", 128, "--network", "MLP((16,))", "--random-state", 0)


def test_ctrl_c_leaves_a_model_and_a_checkpoint_to_go_on_from(run, elsewhere, digits):
    command = (*LONG, "--max-epochs", 200, "--checkpoint-dir", "ck", "-o", "m")
    running = start(*command)
    wait_for(lambda: list(elsewhere.glob("ck/*.skvae")))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.startswith("skvae: interrupted; m holds the model after epoch ")
    assert 1 <= skvae.load("m").n_iter_ < 200

    assert run(*command, "--resume").code == 0
    assert run(*LONG, "--max-epochs", 200, "-o", "unbroken").code == 0
    resumed, unbroken = skvae.load("m"), skvae.load("unbroken")
    np.testing.assert_array_equal(resumed.transform(digits.data), unbroken.transform(digits.data))
    np.testing.assert_array_equal(resumed.history_["train_loss"], unbroken.history_["train_loss"])


@pytest.mark.slow
def test_sigterm_is_taken_like_ctrl_c(elsewhere):
    running = start(*LONG, "--max-epochs", 100_000, "--checkpoint-dir", "ck", "-o", "m", "--json")
    wait_for(lambda: list(elsewhere.glob("ck/*.skvae")))
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 143
    assert err.count("\n") == 1
    assert json.loads(out)["n_epochs"] == skvae.load("m").n_iter_


def test_a_reader_that_leaves_early_is_no_error(files):
    running = start("sample", files / "digits.skvae", "-n", "5000", "-o", "-")
    assert running.stdout.readline().startswith("x0,x1,")
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait() == 141
    running.stderr.close()


@pytest.mark.slow
def test_the_command_of_the_manual_works(process, mnist, elsewhere):
    short = ("--limit", "500", "--max-epochs", "1")  # it takes minutes otherwise
    assert process("fit", "--data", "mnist", "-o", "model.skvae", *short).code == 0
    assert process("sample", "model.skvae", "-n", "100", "-o", "digits.png").code == 0
    assert (elsewhere / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_help_and_version_need_no_verb(run):
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    assert all(f"\n    {verb} " in done.out for verb in VERBS)
    assert run("--version") == (0, f"skvae {version('skvae')}\n", "")


@pytest.mark.parametrize("words", [(), ("fly",), ("--fly",), ("score", "--js")])
def test_a_command_that_is_none_is_wrong_usage(run, words):
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("Try 'skvae")


def test_the_traceback_is_there_for_those_who_ask(run):
    done = run("info", "none.skvae", "--traceback")
    assert done.code == 1
    assert done.err.startswith("Traceback")
    assert done.err.endswith("skvae info: error: none.skvae: No such file or directory\n")


def test_a_fault_of_the_library_is_told_from_one_of_the_user(run, files, monkeypatch):
    def fail(*args):
        raise KeyError("oops")

    monkeypatch.setattr(skvae.VAETransformer, "score_samples", fail)
    done = run("score", files / "digits.skvae", "--data", "digits")
    assert done.code == 1
    assert "KeyError: 'oops'. This looks like a fault of skvae; please report it" in done.err


def test_memory_that_does_not_suffice_is_named(run, files, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(skvae.VAETransformer, "score_samples", fail)
    done = run("score", files / "digits.skvae", "--data", "digits")
    assert (done.code, done.err) == (
        1,
        "skvae score: error: not enough memory; with --limit N fewer rows are taken\n",
    )


def test_the_script_is_the_same_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"skvae": "skvae.cli:main"}
    assert main(["--version"]) == 0


def test_what_the_command_leaves_behind_is_as_it_was(run):
    def state():
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        return *handlers, warnings.showwarning, list(warnings.filters)

    before = state()
    run("info", "none.skvae")
    assert state() == before
