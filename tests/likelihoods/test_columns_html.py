"""The table of columns that a notebook shows of a mixed likelihood."""

from html.parser import HTMLParser

import numpy as np
import pytest
import sklearn

from skvae import VAETransformer
from skvae.likelihoods import Gaussian, Mixed, mixed_likelihood
from skvae.networks import MLP
from skvae.priors import StandardNormal

pd = pytest.importorskip("pandas", reason="pandas is optional")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "Bill": RNG.normal(size=40),
        "a<b & c": RNG.choice(["x", "y"], 40),
        "zip": RNG.choice([3000, 8001], 40),
        7: RNG.normal(size=40).astype(np.float32),
    }
)


class Cells(HTMLParser):
    """The cells of the rows of a table, without those of its head."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.in_cell = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.in_cell = tag == "td"

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1].append(data)

    def handle_endtag(self, tag):
        self.in_cell = False


def shown(spec):
    cells = Cells()
    cells.feed(spec._repr_html_())
    head, *rows = cells.rows
    assert head == []
    return rows


def test_a_proposal_is_shown_by_columns_in_their_order():
    rows = shown(mixed_likelihood(FRAME.drop(columns=7)))
    names = "Categorical(n_categories='auto', ordered=False)"
    assert rows[0] == ["Bill", "real", "Gaussian()"]
    assert rows[1] == ["a<b & c", "level", names]
    assert rows[2][:2] == ["zip", "whole"]


def test_a_fitted_estimator_shows_what_it_has_resolved():
    likelihood = Mixed(kinds={"zip": "level"})
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(4,)),
        prior=StandardNormal(),
        likelihood=likelihood,
        max_epochs=1,
        random_state=0,
    ).fit(FRAME.drop(columns=7))
    rows = shown(vae.module_.likelihood.spec)
    assert [row[:2] for row in rows] == [["Bill", "real"], ["a<b & c", "level"], ["zip", "level"]]
    assert (
        rows[2][2]
        == rows[1][2]
        == ("Categorical(levels='observed', n_categories=[2, 2], ordered=False)")
    )


def test_names_that_are_no_text_are_shown():
    assert [row[:2] for row in shown(mixed_likelihood(FRAME[[7]]))] == [["7", "real"]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Mixed(), [["all", "chosen in fit", "chosen in fit"]]),
        (
            Mixed(kinds={"zip": "level"}),
            [
                ["zip", "level", "chosen in fit"],
                ["all others", "chosen in fit", "chosen in fit"],
            ],
        ),
        (
            Mixed(columns={"poisson": "visits", Gaussian(): slice(1, 3)}),
            [
                ["visits", "chosen in fit", "poisson"],
                ["slice(1, 3, None)", "chosen in fit", "Gaussian()"],
            ],
        ),
        (
            Mixed(columns=[("gaussian", [2, 0]), ("poisson", 1)]),
            [[f"{i}", "chosen in fit", name] for i, name in ((2, "gaussian"), (0, "gaussian"))]
            + [["1", "chosen in fit", "poisson"]],
        ),
    ],
)
def test_what_is_left_to_the_fit_is_said(spec, expected):
    assert shown(spec) == expected


def test_text_is_shown_if_scikit_learn_is_told_to():
    spec = Mixed()
    assert spec._repr_mimebundle_()["text/html"] == spec._repr_html_()
    with sklearn.config_context(display="text"):
        assert not hasattr(spec, "_repr_html_")
        assert spec._repr_mimebundle_() == {"text/plain": "Mixed()"}


def test_an_estimator_with_such_a_likelihood_keeps_its_diagram():
    page = VAETransformer(likelihood=Mixed())._repr_html_()
    assert "sk-estimator" in page
