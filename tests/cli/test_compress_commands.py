"""The verbs `compress` and `decompress`: files to compressed files and back."""

import json

import numpy as np
import pandas as pd

import skvae


def test_an_array_is_compressed_and_decompressed(run, files, digits, elsewhere):
    model = files / "digits.skvae"
    done = run("compress", model, "--data", "digits", "--limit", 9, "-o", "x.skvz")
    data = (elsewhere / "x.skvz").read_bytes()
    bits = 8 * len(data) / (9 * 64)
    assert done == (0, f"9 rows in {len(data)} bytes, {bits:.4g} bits per value\n", "")
    assert data == skvae.compress(skvae.load(model), digits.data[:9])
    assert run("decompress", model, "x.skvz", "-o", "x.npy") == (0, "", "")
    np.testing.assert_array_equal(np.load("x.npy"), digits.data[:9])


def test_a_table_is_compressed_and_decompressed(run, customers, elsewhere):
    model = customers / "vae.skvae"
    options = (customers / "new.csv", "--id", "customer", "-o", "x.skvz", "--json")
    record = json.loads(run("compress", model, *options).out)
    n_bytes = (elsewhere / "x.skvz").stat().st_size
    expected = {"model": str(model), "output": "x.skvz", "n_rows": 12, "n_columns": 5}
    assert record == expected | {"n_bytes": n_bytes, "bits_per_value": 8 * n_bytes / 60}
    assert run("decompress", model, "x.skvz", "-o", "x.csv").code == 0
    original = pd.read_csv(customers / "new.csv").drop(columns="customer")
    pd.testing.assert_frame_equal(pd.read_csv("x.csv"), original)
    record = json.loads(run("decompress", model, "x.skvz", "-o", "x.csv", "--json").out)
    assert record == expected | {"output": "x.csv"}


def test_errors_are_one_line_and_leave_no_file(run, files, elsewhere):
    (elsewhere / "x.skvz").write_bytes(b"something else")
    model = files / "digits.skvae"
    for words, message in (
        (("decompress", model, "x.skvz", "-o", "x.npy"), "are not rows that skvae.compress"),
        (("decompress", model, "none.skvz", "-o", "x.npy"), "No such file"),
        (("decompress", model, "x.skvz", "-o", "x.png"), "must end in .npy"),
        (("decompress", model, "x.skvz", "-o", "x.skvz"), "must end in .npy"),
        (("compress", model, "--data", "none.npy", "-o", "y.skvz"), "No such file"),
        (("compress", model, "-o", "y.skvz"), "--data"),
    ):
        done = run(*words)
        assert done.code in (1, 2)
        assert message in done.err
    assert [path.name for path in elsewhere.iterdir()] == ["x.skvz"]
