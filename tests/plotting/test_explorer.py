"""The explorer: its decoder in JavaScript against torch, its pages, and what it refuses."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from torch import nn

import skvae.plotting
from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._model.module import build_module
from skvae._random import isolated_rng
from skvae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    Histogram,
    NegativeBinomial,
    Poisson,
    StudentT,
    mixed_likelihood,
)
from skvae.networks import MLP, Conv, Network, ResNet
from skvae.plotting import explorer
from skvae.plotting._decoder_program import decoder_program
from skvae.priors import StandardNormal

ASSETS = Path(skvae.plotting.__file__).with_name("_explorer_page")
TINY = {"network": MLP(hidden_layer_sizes=(8,)), "max_epochs": 2, "random_state": 0}
# the engine has no browser around it, and so no atob
ATOB = """
var atob = function (text) {
  const signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  let out = "", bits = 0, n = 0;
  for (const sign of text.replace(/=/g, "")) {
    bits = (bits << 6) | signs.indexOf(sign);
    n += 6;
    if (n >= 8) { n -= 8; out += String.fromCharCode((bits >> n) & 255); bits &= (1 << n) - 1; }
  }
  return out;
};
"""


class Engine:
    """The decoder of the page in an engine for JavaScript."""

    def __init__(self):
        racer = pytest.importorskip("py_mini_racer", reason="it runs the JavaScript of the page")
        self._context = racer.MiniRacer()
        source = (ASSETS / "decoder.js").read_text(encoding="utf-8")
        self._context.eval(ATOB + source.replace("const Decoder", "var Decoder"))

    def decode(self, program, Z):
        self._context.eval(f"var run = Decoder.compile({json.dumps(program)});")
        text = self._context.eval(
            f"JSON.stringify({json.dumps(Z.tolist())}.map((z) => Array.from(run(z))))"
        )
        return np.array(json.loads(text), dtype=float)


@pytest.fixture(scope="module")
def engine():
    return Engine()


def content_of(page):
    """Return what is in the JSON of a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def assert_decoded(engine, function, decoder, n_components):
    Z = np.random.default_rng(0).normal(size=(4, n_components)).astype(np.float32)
    program = decoder_program(function, decoder, torch.zeros(1, n_components))
    with torch.no_grad():
        expected = function(torch.from_numpy(Z)).numpy().astype(float)
    found = engine.decode(json.loads(json.dumps(program)), Z)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-2 * np.ptp(expected)


def module_for(network, likelihood, X):
    with isolated_rng(0):
        module = build_module(network, likelihood, StandardNormal(), X, 3)
        with torch.no_grad():  # away from initial values, some of which are zero
            for weights in module.decoder.parameters():
                weights.add_(0.1 * torch.randn_like(weights))
    return module.eval()


NETWORKS = {
    "mlp": MLP(),
    "residual": MLP(hidden_layer_sizes=(8, 8), residual=True, activation="elu"),
    "skip": MLP(hidden_layer_sizes=(9, 8), skip_connections=True, activation="gelu"),
    "linear": MLP(linear_decoder=True),
    "leaky": MLP(hidden_layer_sizes=(9,), activation="leaky_relu", dropout=0.1),
    "tanh": MLP(hidden_layer_sizes=(9,), activation="tanh"),
    "conv": Conv(channels=(4, 8), hidden_units=16),
    "conv without dense layer": Conv(channels=(4,), hidden_units=None, activation="silu"),
    "conv in colour": Conv(channels=(4, 5), image_shape=(4, 4, 4)),
    "conv not square": Conv(channels=(4, 5), image_shape=(16, 4)),
    "resnet": ResNet(channels=(8, 8), hidden_units=16),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_decode_as_torch_does(engine, digits, network):
    module = module_for(NETWORKS[network], Gaussian(), digits.data[:200].astype(np.float32))
    assert_decoded(engine, lambda z: module.likelihood.mean(module.decode(z)), module.decoder, 3)


LIKELIHOODS = {
    "bernoulli": (Bernoulli(), 1 / 16),
    "continuous_bernoulli": (ContinuousBernoulli(), 1 / 16),
    "categorical": (Categorical(n_categories=17, ordered=True), 1),
    "names": (Categorical(n_categories=17, ordered=False), 1),
    "discretized_logistic": (DiscretizedLogistic(n_levels=17), 1),
    "gaussian": (Gaussian(noise="per_sample"), 1),
    "histogram": (Histogram(), 1),
    "negative_binomial": (NegativeBinomial(), 1),
    "poisson": (Poisson(), 1),
    "student_t": (StudentT(), 1),
    "mixed": (None, 1),
}


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_means_of_likelihoods_are_those_of_torch(engine, digits, likelihood):
    spec, scale = LIKELIHOODS[likelihood]
    X = (digits.data[:200, 20:30] * scale).astype(np.float32)
    spec = mixed_likelihood(X.astype(float)) if spec is None else spec
    module = module_for(MLP(hidden_layer_sizes=(16,)), spec, X)
    assert_decoded(engine, lambda z: module.likelihood.mean(module.decode(z)), module.decoder, 3)


class Normalized(nn.Module):
    """A decoder of a user's own, with layers that no network here has."""

    def __init__(self, n_components, n_outputs):
        super().__init__()
        self.first = nn.Linear(n_components, 24)
        self.layers = nn.Sequential(
            nn.LayerNorm(24), nn.Softplus(), nn.BatchNorm1d(24), nn.ReLU(inplace=True)
        )
        self.attention, self.last = nn.Linear(24, 24), nn.Linear(48, n_outputs)

    def forward(self, z):
        h = self.layers(self.first(z))
        h = h * self.attention(h).softmax(-1) + torch.sin(h).clamp(-0.5, 0.5)
        h = torch.cat([h.view(-1, 4, 6).transpose(1, 2).flatten(1), h.flip(1)], -1)
        return self.last(torch.where(h > 0.1, h, 0.2 * h))


def test_a_decoder_of_ones_own(engine):
    with isolated_rng(0):
        decoder = Normalized(3, 5)
        decoder(torch.randn(50, 3))  # moments of the batch normalisation
    assert_decoded(engine, decoder.eval(), decoder, 3)


class Sorting(nn.Module):
    def forward(self, z):
        return z.sort(-1).values


class Branching(nn.Module):
    def forward(self, z):
        return z if z.sum() > 0 else -z


class Whole(Network):
    """A network whose decoder ends in some module."""

    def __init__(self, last=Sorting):
        self.last = last

    def build_encoder(self, n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return nn.Sequential(nn.Linear(n_components, n_outputs), self.last())


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (Sorting, r"module '1' \(Sorting\) uses the operation 'sort'"),
        (Branching, "depends on the values of the latent vector"),
    ],
)
def test_a_decoder_that_cannot_be_translated_is_named(iris, last, message):
    X = iris.data.to_numpy()
    vae = VAETransformer(2, network=Whole(last), max_epochs=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=message):
        explorer(vae, X)


EVIL = '</script><img src=x onerror="document.title=1">\'&'


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 120),
            "income": np.round(rng.lognormal(10, 0.6, 120), 2),
            EVIL: rng.choice(["a", "b", EVIL], 120),
            "smoker": rng.random(120) < 0.3,
            "joined": pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 900, 120), "D"),
            "spent": pd.to_timedelta(rng.integers(1, 500, 120), "h"),
        }
    )
    frame.loc[:10, "income"] = np.nan
    return frame


def test_a_table_decodes_to_the_values_of_inverse_transform(engine, table):
    vae = VAETransformer(3, **TINY).fit(table)
    data = content_of(explorer(vae, table, table[EVIL]))
    Z = vae.transform(table[:5]).astype(np.float32)
    found, expected = engine.decode(data["program"], Z), vae.inverse_transform(Z)
    columns = {column["name"]: column for column in data["table"]["columns"]}
    for name in ("age", "income"):
        column = columns[name]
        values = found[:, column["at"]] + column["origin"]
        tolerance = 1e-2 * np.ptp(table[name].dropna()) + (0.5 if name == "age" else 0.005)
        assert np.abs(values - expected[name]).max() < tolerance
    joined = found[:, columns["joined"]["at"]] * columns["joined"]["scale"]
    milliseconds = (expected["joined"] - pd.Timestamp(0)) / pd.Timedelta("1ms")
    assert np.abs(joined + columns["joined"]["origin"] - milliseconds).max() < 10 * 86_400_000
    for name in (EVIL, "smoker"):
        levels = columns[name]["levels"]
        shares = found[:, columns[name]["at"] :][:, : len(levels)]
        assert np.allclose(shares.sum(1), 1, atol=0.02)
        most_likely = [levels[place] for place in shares.argmax(1)]
        assert most_likely == [str(level) for level in expected[name]]


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_names_and_labels_from_the_rows_are_never_html(table):
    vae = VAETransformer(3, **TINY).fit(table)
    page = explorer(vae, table, table[EVIL], title=EVIL)
    elements = Elements(page.html).found
    tags = [tag for tag, _ in elements]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attributes in elements for name in attributes)
    assert EVIL not in page.html
    assert EVIL in {column["name"] for column in content_of(page)["table"]["columns"]}
    [(tag, frame)] = Elements(page._repr_html_()).found
    assert tag == "iframe"
    assert frame["srcdoc"] == page.html
    assert frame["sandbox"] == "allow-scripts"


def test_the_page_needs_no_network(table):
    page = explorer(VAETransformer(3, **TINY).fit(table), table)
    assert "default-src 'none'" in page.html
    assert not re.search(r"https?://", page.html)
    for _, attributes in Elements(page.html).found:
        assert "src" not in attributes
        assert "href" not in attributes


def test_rows_are_evenly_spaced_and_counted(images, tmp_path):
    vae = VAETransformer(3, **TINY).fit(images)
    page = explorer(vae, images, max_rows=60)
    assert (page.n_rows, page.n_shown) == (200, 60)
    data = content_of(page)
    assert data["numbers"] == np.linspace(0, 199, 60).astype(int).tolist()
    assert data["summary"] == "60 of 200 rows · 3 latent dimensions"
    page.save(tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text(encoding="utf-8") == page.html


def test_a_page_that_would_be_too_large_shows_fewer_rows(digits, monkeypatch):
    monkeypatch.setattr("skvae.plotting._explorer._LARGEST_PAGE", 60_000)
    vae = VAETransformer(2, **TINY).fit(digits.data)
    page = explorer(vae, digits.data)
    assert 50 <= page.n_shown < 500
    assert len(page.html) <= 60_000


def test_kinds(images, iris):
    of_images = VAETransformer(2, **TINY).fit(images)
    assert content_of(explorer(of_images, images))["kind"] == "image"
    assert content_of(explorer(of_images, images, kind="line"))["kind"] == "line"
    wide = explorer(of_images, images, image_shape=(4, 16))
    assert content_of(wide)["image"]["shape"] == [4, 16, False]
    x = np.linspace(0, 1, 40)
    spectra = np.exp(-0.5 * ((x - np.random.default_rng(0).uniform(0.3, 0.6, (80, 1))) / 0.1) ** 2)
    vae = VAETransformer(2, **TINY).fit(spectra)
    assert content_of(explorer(vae, spectra))["kind"] == "line"
    detector = VAEAnomalyDetector(2, anomaly_score="kl", **TINY).fit(iris.data)
    assert content_of(explorer(detector, iris.data))["kind"] == "table"


def test_planes(images, iris):
    vae = VAETransformer(3, **TINY).fit(images)
    plane = content_of(explorer(vae, images, components=(2, 0)))["plane"]
    assert plane["basis"] == [[0, 0, 1], [1, 0, 0]]
    projected = content_of(explorer(vae, images))["plane"]
    np.testing.assert_allclose(
        np.array(projected["basis"]) @ np.transpose(projected["basis"]), np.eye(2), atol=1e-6
    )
    line = VAETransformer(1, **TINY).fit(iris.data)
    assert content_of(explorer(line, iris.data))["plane"]["basis"] == [[1], [0]]
    with pytest.raises(ValueError, match="'components' must be two different numbers below 3"):
        explorer(vae, images, components=(1, 3))


def test_numbers_and_pipelines(iris):
    pipeline = make_pipeline(MinMaxScaler(), VAETransformer(2, **TINY)).fit(iris.data)
    data = content_of(explorer(pipeline, iris.data, iris.data.iloc[:, 0]))
    assert data["labels"]["scale"] == ["4.3", "7.9"]
    assert data["labels"]["name"] == "sepal length (cm)"
    names = [column["name"] for column in data["table"]["columns"]]
    assert names == list(iris.data.columns)


def test_bad_requests(iris, table):
    vae = VAETransformer(2, **TINY).fit(iris.data)
    with pytest.raises(ValueError, match="'kind' must be one of"):
        explorer(vae, iris.data, kind="map")
    with pytest.raises(ValueError, match="'feature_names' has 2 names for rows of 4 features"):
        explorer(
            VAETransformer(2, **TINY).fit(iris.data.to_numpy()),
            iris.data.to_numpy(),
            feature_names=["a", "b"],
        )
    with pytest.raises(ValueError, match="cannot be shown as kind='line'"):
        explorer(VAETransformer(2, **TINY).fit(table), table, kind="line")
    with pytest.raises(ValueError, match="VAEImputer does not"):
        explorer(VAEImputer(2, n_estimators=1, **TINY).fit(iris.data), iris.data)
