import json

import pytest

WITH_DATA = ("reconstructions", "samples", "latent", "interpolation", "scores")
WITHOUT_DATA = ("manifold", "curves")
CASES = [(model, kind) for model in ("digits", "iris") for kind in WITH_DATA + WITHOUT_DATA]
CASES.remove(("digits", "scores"))  # a transformer has no threshold


@pytest.mark.parametrize(("model", "kind"), CASES)
def test_every_kind_of_picture_is_written_for_images_and_tables(run, files, elsewhere, model, kind):
    source = {"digits": ("digits",), "iris": (files / "iris.csv", "--target", "kind")}[model]
    if kind == "scores":
        source = source[:1]  # its labels are not -1 and 1
    data = ("--data", *source, "--limit", 40) if kind in WITH_DATA else ()
    command = ("plot", files / f"{model}.skvae", kind, "-o", "x.png", "--dpi", 50)
    done = run(*command, *data, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["n_rows"] == (40 if kind in WITH_DATA else None)
    assert (elsewhere / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", WITH_DATA + WITHOUT_DATA)
def test_every_kind_of_picture_is_written_for_tables_of_names(run, customers, elsewhere, kind):
    data = ("--data", customers / "new.csv") if kind in WITH_DATA else ()
    done = run("plot", customers / "detector.skvae", kind, "-o", "x.png", "--dpi", 50, *data)
    assert done == (0, "", "")
    assert (elsewhere / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("model", ["digits", "customers"])
def test_an_explorer_is_a_page(run, files, customers, elsewhere, model):
    model, data = {
        "digits": (files / "digits.skvae", ("digits", "--limit", 40)),
        "customers": (customers / "detector.skvae", (customers / "new.csv",)),
    }[model]
    command = ("plot", model, "explorer", "--data", *data)
    assert run(*command, "-o", "x.html") == (0, "", "")
    assert (elsewhere / "x.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    refused = run(*command, "-o", "x.png")
    assert refused.code == 2
    assert "must end in .html" in refused.err


def test_samples_need_no_data(run, files, elsewhere):
    assert run("plot", files / "digits.skvae", "samples", "-o", "x.svg") == (0, "", "")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("latent", "-o", "x.png"), 2, "plot latent needs rows: add --data SOURCE"),
        (("curves", "--data", "digits", "-o", "x.png"), 2, "leave out --data"),
        (("scores", "--data", "digits", "-o", "x.png"), 2, "is not a detector: fit one with"),
        (("pie", "-o", "x.png"), 2, "invalid choice: 'pie'"),
        (("curves", "-o", "x.csv"), 2, "must end in .png, .pdf, .svg"),
        (("curves", "-o", "no/x.png"), 1, "no/x.png: cannot be written"),
        (("samples", "-o", "x.png", "--image-shape", "3,3"), 1, "cannot be shown as images of"),
        (("samples", "-o", "x.png", "--image-shape", "8xx"), 2, "'8xx' is not an integer"),
        (("interpolation", "--data", "digits", "--limit", "1", "-o", "x.png"), 1, "needs two"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(run, files, elsewhere, options, code, message):
    done = run("plot", files / "digits.skvae", *options)
    assert done.code == code
    assert message in done.err
    assert list(elsewhere.iterdir()) == []
