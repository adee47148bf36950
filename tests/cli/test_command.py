import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest

import skvae
from skvae.cli import main
from skvae.cli._command import Signals

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
def test_a_verb_writes_its_output_and_one_json_object(run, files, elsewhere, verb, options, output):
    options = [str(files / "digits.skvae") if word == "MODEL" else word for word in options]
    done = run(verb, *options, "--json")
    assert (done.code, done.err) == (0, "")
    assert isinstance(json.loads(done.out), dict)
    assert done.out.count("\n") == 1
    assert [path.name for path in elsewhere.iterdir()] == ([output] if output else [])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("fit --data digits -o m --max-epochs 0", 2, "'0' is not an integer of at least 1"),
        ("transform MODEL --data none.npz -o z.npy", 1, "none.npz: No such file or directory"),
        ("reconstruct none.skvae --data digits -o x.npy", 1, "none.skvae: No such file or direct"),
        ("sample MODEL -o x.jpg", 2, ".csv, .tsv, .csv.gz, .tsv.gz, .parquet, .png, .pdf, .svg"),
        ("score broken.skvae --data digits", 1, "cannot be used as a model of skvae"),
        ("plot MODEL scores --data digits -o x.png", 2, "is not a detector"),
        ("info", 2, "required: MODEL"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(run, files, elsewhere, words, code, message):
    (elsewhere / "broken.skvae").write_bytes((files / "digits.skvae").read_bytes()[:-1])
    words = [str(files / "digits.skvae") if word == "MODEL" else word for word in words.split()]
    done = run(*words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"skvae {words[0]}: error: ")
    assert message in done.err.splitlines()[0]
    assert "Traceback" not in done.err
    assert [path.name for path in elsewhere.iterdir()] == ["broken.skvae"]


def test_the_example_of_the_help_works(run, mnist, elsewhere):
    short = ("--limit", "200", "--max-epochs", "1")  # all of MNIST takes minutes
    assert run("fit", "--data", "mnist", "-o", "model.skvae", *short).code == 0
    assert run("sample", "model.skvae", "-n", "100", "-o", "digits.png").code == 0
    assert (elsewhere / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_help_lists_the_verbs_and_version_prints_the_version(run):
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    assert all(f"\n    {verb} " in done.out for verb in VERBS)
    assert run("--version") == (0, f"skvae {version('skvae')}\n", "")


@pytest.mark.parametrize("words", [(), ("fly",), ("--fly",), ("score", "--js")])
def test_an_unknown_verb_or_option_is_wrong_usage(run, words):
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("Try 'skvae")


def test_traceback_prints_the_traceback_of_an_error(run):
    done = run("info", "none.skvae", "--traceback")
    assert done.code == 1
    assert done.err.startswith("Traceback")
    assert done.err.endswith("skvae info: error: none.skvae: No such file or directory\n")


def test_an_unexpected_error_is_reported_as_a_bug(run, files, monkeypatch):
    def fail(*args):
        raise KeyError("oops")

    monkeypatch.setattr(skvae.VAETransformer, "score_samples", fail)
    done = run("score", files / "digits.skvae", "--data", "digits")
    assert done.code == 1
    assert "KeyError: 'oops'. This looks like a bug in skvae; please report it" in done.err


def test_too_little_memory_is_reported_with_a_remedy(run, files, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(skvae.VAETransformer, "score_samples", fail)
    done = run("score", files / "digits.skvae", "--data", "digits")
    assert (done.code, done.err) == (
        1,
        "skvae score: error: not enough memory; use --limit N to read fewer rows\n",
    )


def test_the_installed_script_calls_main():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"skvae": "skvae.cli:main"}
    assert main(["--version"]) == 0


def test_a_command_restores_warnings_and_signal_handlers(run):
    def state():
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        return *handlers, warnings.showwarning, list(warnings.filters)

    before = state()
    run("info", "none.skvae")
    assert state() == before


HELP_AND_USAGE_ERRORS = [
    ("--version", 0),
    ("--help", 0),
    *((f"{verb} --help", 0) for verb in VERBS),
    ("fly", 2),
    ("fit --data digits", 2),
    ("fit --data digits -o m --n-components x", 2),
    ("fit --data digits -o m --network mpl", 2),
    ("fit --data digits -o m --network MLP((8,))", 2),
    ("fit --data digits -o m --contamination 0.1", 2),
    ("fit --data digits -o m --resume", 2),
    ("fit --data none.docx -o m", 2),
    ("transform m --data digits --subset test -o z.npy", 2),
    ("sample m -o x.jpg", 2),
    ("plot m latent -o x.png", 2),
]


def test_help_and_usage_errors_do_not_import_torch_or_scikit_learn():
    program = """
import json, sys
from skvae.cli import main
codes = [main(words.split()) for words in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted({"torch", "sklearn", "matplotlib"} & set(sys.modules))]))
"""
    commands, codes = zip(*HELP_AND_USAGE_ERRORS, strict=True)
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [list(codes), []]


def test_files_are_checked_before_torch_is_imported(files, elsewhere):
    """Importing torch and scikit-learn takes seconds, in which a mistake could be told."""
    (elsewhere / "text").write_text("a,b\n1,2\n")
    (elsewhere / "t.csv").write_text("a,b\n1,2\n")
    (elsewhere / "t.npy").write_text("a,b\n1,2\n")
    model = files / "digits.skvae"
    commands = [
        "transform none --data t.csv -o z.csv",
        "transform text --data t.csv -o z.csv",
        "info text",
        "plot text curves -o x.png",
        "sample text -o x.csv",
        "fit --data none.csv -o m",
        "fit --data t.csv --target c -o m",
        "fit --data t.npy -o m",
        "fit --data t.csv -o nowhere/m",
        f"score {model} --data none.npz",
    ]
    program = """
import json, sys
from skvae.cli import main
codes = [main(words.split()) for words in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted({"torch", "sklearn", "matplotlib"} & set(sys.modules))]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert json.loads(done.stdout) == [[1] * len(commands), []], done.stderr


def test_the_module_is_the_command_and_returns_its_exit_code():
    running = start("fit", "--fly")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert err.startswith("skvae fit: error: ")


def start(*argv):
    """Start the command in a process that does not ignore SIGINT."""
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
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_fit_with_a_model_and_a_checkpoint(elsewhere, number, code):
    network = ("--network", "MLP(hidden_layer_sizes=(16,))")
    rows = ("--data", "digits", "--limit", 128, "--max-epochs", 100_000)
    running = start("fit", *rows, *network, "--checkpoint-dir", "ck", "-o", "m", "--json")
    wait_for(lambda: list(elsewhere.glob("ck/*.skvae")))
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code
    n_epochs = skvae.load("m").n_iter_
    assert 1 <= n_epochs < 100_000
    assert json.loads(out)["n_epochs"] == n_epochs
    assert err == (
        f"skvae: interrupted; m holds the model after epoch {n_epochs}. To continue, repeat the "
        "command with --resume\n"
    )
    (checkpoint,) = elsewhere.glob("ck/*.skvae")
    assert skvae.load(checkpoint).n_iter_ == n_epochs


@pytest.mark.slow
def test_a_reader_that_closes_stdout_early_is_not_an_error(files):
    running = start("sample", files / "digits.skvae", "-n", "5000", "-o", "-")
    assert running.stdout.readline().startswith("x0,x1,")
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait() == 141
    running.stderr.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_outside_training_interrupts_at_once(number, code):
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signals.exit_code == code
        assert not signals.stopped


def test_a_signal_during_training_interrupts_at_the_end_of_the_batch():
    with Signals() as signals:
        callback = signals.callback()
        callback.on_train_begin(None)
        callback.on_batch_end(None)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            callback.on_batch_end(None)
        assert signals.stopped
        callback.on_train_end(None)
        assert signals.exit_code == 143


def test_a_second_signal_during_training_interrupts_at_once():
    with Signals() as signals:
        signals.callback().on_train_begin(None)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.stopped


def test_a_signal_after_the_last_batch_does_not_count_as_a_stop():
    with Signals() as signals:
        callback = signals.callback()
        callback.on_train_begin(None)
        os.kill(os.getpid(), signal.SIGINT)
        callback.on_train_end(None)
        assert not signals.stopped


def test_handlers_are_restored_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup does
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.received is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
