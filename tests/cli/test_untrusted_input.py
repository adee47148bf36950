"""Files from others: little memory for few rows, no control of the terminal, no lost input."""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import skvae
from skvae._rows.lines import Lines
from skvae.cli import main
from skvae.cli._failures import printable
from skvae.cli._table_files import read_table
from skvae.networks import MLP
from tests.cli.test_sources import read

CONTROL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x7f"


# Rows beyond --limit are not read.


def write_parquet(path, n_rows):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    zeros = pa.array(np.zeros(n_rows))
    parquet.write_table(pa.table({"a": zeros, "b": zeros}), path, row_group_size=n_rows)


def write_npz(path, n_rows, order="C"):
    np.savez_compressed(path, X=np.zeros((n_rows, 2), order=order))


def write_idx_gz(path, n_rows):
    header = b"\0\0\x0e\x02" + n_rows.to_bytes(4, "big") + (2).to_bytes(4, "big")
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header + bytes(16 * n_rows))


def write_csv_gz(path, n_rows):
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n" + b"0,0\n" * n_rows)


BOMBS = {
    "t.parquet": write_parquet,
    "t.npz": write_npz,
    "columns.npz": lambda path, n_rows: write_npz(path, n_rows, order="F"),
    "t.idx2.gz": write_idx_gz,
    "t.csv.gz": write_csv_gz,
}
LIMITED = """
import resource, sys
from types import SimpleNamespace
from skvae.cli import build_parser
from skvae.cli._sources import check_source, read_rows

def read(path):
    arguments = build_parser().parse_args(["score", "m", "--data", path, "--limit", "10"])
    check_source(arguments)
    return read_rows(arguments).X

read(sys.argv[1])  # loads libraries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert read(sys.argv[2]).shape == (10, 2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak in kilobytes")
@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_the_memory_of_a_few_rows_does_not_depend_on_the_others(tmp_path, name):
    small, large = tmp_path / f"small-{name}", tmp_path / f"large-{name}"
    BOMBS[name](small, 100)
    BOMBS[name](large, 5_000_000)  # 80 MB
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, small, large], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 20_000


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("shape", [(7, 5), (7, 2, 3)])
def test_the_first_rows_of_an_archive_are_those_of_the_array(tmp_path, order, limit, shape):
    X = np.asarray(np.random.default_rng(0).normal(size=shape), order=order)
    np.savez_compressed(tmp_path / "t.npz", X=X)
    np.save(tmp_path / "t.npy", X)
    for name in ("t.npz", "t.npy"):
        found = read(tmp_path / name, "--limit", limit).X
        np.testing.assert_array_equal(found, X[:limit].reshape(-1, np.prod(shape[1:])))


def test_the_first_rows_of_a_parquet_file_are_those_of_the_table(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"a": np.arange(50.0), "b": np.arange(50)})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    for limit in (1, 6, 7, 8, 49, 50, 51):
        X = read_table(str(tmp_path / "t.parquet"), ".parquet", limit=limit).X
        np.testing.assert_array_equal(X, np.arange(50)[:limit, None].repeat(2, 1))


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_an_archive_whose_array_is_too_short_is_refused(tmp_path, cut):
    content = io.BytesIO()
    np.save(content, np.zeros((100, 2)))
    (tmp_path / "t.npy").write_bytes(content.getvalue()[:-cut])
    with pytest.raises(ValueError, match=f"t.npy is not a valid .npy file: it ends {cut} bytes"):
        read(tmp_path / "t.npy")


def test_a_line_without_end_is_refused(tmp_path):
    with gzip.open(tmp_path / "t.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,b\n" + b"0" * 2**25)
    with pytest.raises(ValueError, match="t.csv.gz is not a valid CSV file: it has a line of more"):
        read(tmp_path / "t.csv.gz", "--limit", 1)


# Control codes.


def is_harmless(text):
    return all(sign.isprintable() or sign in "\n\t" for sign in text)


def test_printable_text_stays_as_it_is():
    for text in ("", "naïve 数 🙂\n\tπ ± 3", "C:\\path", "it's"):
        assert printable(text) == text


def test_control_codes_are_shown_as_escapes():
    assert printable("a\x1b[31m\x9b\u202e\r\x00") == "a\\x1b[31m\\x9b\\u202e\\r\\x00"
    assert is_harmless(
        printable("".join(map(chr, range(0x3000))))
        .replace("\xa0", "")
        .translate(dict.fromkeys((5760, *range(8192, 8203), 8239, 8287)))
    )


def hostile_table(path, delimiter=","):
    rng = np.random.default_rng(0)
    lines = [
        f"x{CONTROL}{delimiter}y",
        *(f"{a}{delimiter}{b}" for a, b in rng.normal(size=(30, 2))),
    ]
    path.write_text("\n".join(lines))


def test_names_of_a_table_do_not_reach_the_terminal_as_they_are(run, fit, elsewhere):
    hostile_table(elsewhere / "t.csv")
    done = run("fit", "t.csv", "--target", "none", "-o", "m")
    assert done.code == 1
    assert is_harmless(done.err)
    assert "\\x1b]0;owned\\x07" in done.err
    fit("m", "t.csv")
    for options in (("info", "m"), ("info", "m", "--json"), ("score", "m", "--data", "t.csv")):
        done = run(*options)
        assert done.code == 0
        assert is_harmless(done.out + done.err)
    assert json.loads(run("info", "m", "--json").out)["feature_names"][0] == f"x{CONTROL}"
    (elsewhere / "o.csv").write_text("a,b\n1,2\n")
    done = run("score", "m", "--data", "o.csv")
    assert done.code == 1
    assert is_harmless(done.err)


def test_fields_of_a_model_do_not_reach_the_terminal_as_they_are(run, elsewhere):
    from skvae._files.model_file import read_file, write_file

    X = np.random.default_rng(0).normal(size=(30, 2))
    network = MLP(hidden_layer_sizes=(2,))
    skvae.save(skvae.VAETransformer(1, network=network, max_epochs=1).fit(X), "m")
    header, tensors = read_file("m")
    header["versions"] = {"torch": f"2{CONTROL}\nthreshold   0.1"}
    names = Lines.of([f"a{CONTROL}", "b\nepochs      1"])
    header["state"]["feature_names"] = {"lines": "names"}
    tensors["names"] = torch.from_numpy(names.text.copy())
    write_file("m", header, tensors)
    done = run("info", "m")
    assert done.code == 0
    assert is_harmless(done.out)
    assert "\nthreshold" not in done.out  # no line of another field
    header["estimator"] = f"VAE{CONTROL}"
    write_file("m", header, tensors)
    done = run("info", "m", "--traceback")
    assert done.code == 1
    assert is_harmless(done.err)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_standard_output_on_a_terminal_shows_escapes(run, fit, elsewhere):
    hostile_table(elsewhere / "t.csv")
    fit("m", "t.csv")
    command = ("sample", "m", "-n", "2", "-o", "-")
    assert f"x{CONTROL}" in run(*command).out  # a file or a pipe gets the name itself
    with contextlib.redirect_stdout(Terminal()) as terminal:
        assert main(list(command)) == 0
    assert is_harmless(terminal.getvalue())
    assert "x\\x1b]0;owned\\x07" in terminal.getvalue()


# The output does not replace the input.


@pytest.mark.parametrize("link", [None, os.link, os.symlink])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("fit", "--data", "t.csv"), "--data"),
        (("transform", "m", "--data", "t.csv"), "--data"),
        (("score", "m", "--data", "t.csv"), "--data"),
        (("reconstruct", "t.csv", "--data", "digits"), "MODEL"),
    ],
)
def test_an_output_over_the_input_is_refused(run, fit, elsewhere, link, command, option):
    (elsewhere / "t.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    before = (elsewhere / "t.csv").read_bytes()
    output = "t.csv" if link is None else "other.csv"
    if link:
        link("t.csv", output)
    done = run(*command, "-o", output)
    assert done.code == 2
    assert f"-o {output} is the file that {option} names: choose another one" in done.err
    assert (elsewhere / "t.csv").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_an_output_that_is_replaced_keeps_its_permissions(run, files, elsewhere):
    (elsewhere / "z.csv").touch(mode=0o600)
    run("transform", files / "digits.skvae", "--data", "digits", "--limit", 3, "-o", "z.csv")
    assert (elsewhere / "z.csv").stat().st_mode & 0o777 == 0o600
    assert (elsewhere / "z.csv").stat().st_size > 0
