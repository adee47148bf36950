"""The header of a model file is checked before torch is imported."""

import json

import pytest

import skvae
from skvae.cli._models import check_model, load_model


def test_a_model_is_loaded(files):
    assert repr(load_model(files / "iris.skvae")) == repr(skvae.load(files / "iris.skvae"))


def with_length(text):
    return len(text).to_bytes(8, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"a,b,c,d,e,f\n1,2,3,4,5,6\n",
        with_length("not JSON"),
        with_length("[]"),
        with_length(json.dumps({"__metadata__": None})),
        with_length(json.dumps({"__metadata__": {"other": "tool"}})),
        with_length("[" * 100_000),
        (2**62).to_bytes(8, "little"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ValueError, match="m cannot be used as a model of skvae"):
        check_model(tmp_path / "m")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        check_model(tmp_path / "m")
