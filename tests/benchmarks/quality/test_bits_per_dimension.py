"""Bits per dimension of files and of the likelihood, both for levels from 0 to 255."""

import bz2
import io
import lzma
import math

import numpy as np
import pytest
from PIL import Image

from skvae import VAETransformer
from skvae.likelihoods import Categorical
from skvae.networks import MLP


@pytest.fixture
def bits(script):
    return script("bits_per_dimension")


@pytest.fixture
def pixels():
    """Return ten pictures of four grey levels, which can be compressed."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 4, size=(10, 784)) * 85).astype(np.float32)


def test_levels_are_the_integers_of_the_pixels(bits):
    grey = np.arange(256)
    found = bits.levels((grey / 255).astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, grey)


def test_archives_count_eight_bits_per_byte(bits, pixels):
    data = pixels.astype(np.uint8).tobytes()
    files = {
        "bz2": bz2.compress(data, 9),
        "lzma": lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    }
    for name, file in files.items():
        found = bits.coded(name, pixels)["bits"].mean
        assert found == 8 * len(file) / (10 * 784)
        assert found > 2  # the entropy of four equally likely levels


def test_pictures_are_the_rows(bits, pixels):
    pictures = bits.pictures(pixels)
    assert pictures.shape == (10, 28, 28)
    np.testing.assert_array_equal(pictures[3].ravel(), pixels[3])


def test_the_size_of_a_png_is_that_of_a_readable_file(bits, pixels, tmp_path):
    picture = pixels[0].reshape(28, 28).astype(np.uint8)
    file = tmp_path / "picture.png"
    Image.fromarray(picture).save(file, optimize=True)
    assert bits.as_png(picture) == file.stat().st_size
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file.read_bytes()))), picture)


def test_one_tall_png_is_smaller_than_many(bits, pixels):
    alone, together = (
        bits.coded(name, pixels)["bits"].mean for name in ("PNG, each alone", "PNG, all in one")
    )
    assert together < alone


def test_bits_of_independent_levels_are_the_entropy(bits):
    rng = np.random.default_rng(0)
    shares = [0.5, 0.25, 0.125, 0.125]  # 1.75 bits
    X = rng.choice(4, size=(2000, 9), p=shares).astype(np.float32)
    vae = VAETransformer(
        2,
        likelihood=Categorical(n_categories=4),
        network=MLP(hidden_layer_sizes=(4,)),
        max_epochs=15,
    )
    vae.set_params(random_state=0).fit(X[:1000])
    assert bits.bits_of(vae, X[1000:], 8) == pytest.approx(1.75, abs=0.03)


def test_the_bits_of_a_row_are_means_over_seeds(bits, monkeypatch):
    class Fitted:
        def set_params(self, random_state):
            self.seed = random_state
            return self

        def fit(self, X):
            return self

    monkeypatch.setattr(bits, "MODELS", {"model": Fitted()})
    monkeypatch.setattr(bits, "bits_of", lambda vae, X, n: vae.seed + 1 / n)
    settings = type("Settings", (), {"seeds": 2, "draws": 4})
    row = bits.measure("model", None, None, settings)
    assert str(row["bits"]) == "0.750 ± 0.500"
    assert str(row["bits, ELBO"]) == "1.500 ± 0.500"


def test_the_table_ends_with_file_formats_and_published_figures(
    bits, monkeypatch, fetch_images, images, rows_of
):
    tiny = VAETransformer(
        2, likelihood="discretized_logistic", network=MLP(hidden_layer_sizes=(8,)), max_epochs=1
    )
    monkeypatch.setattr(bits, "fetch_mnist", fetch_images)
    monkeypatch.setattr(bits, "MODELS", {"tiny": tiny})
    model, *formats, published = rows_of(bits, "--draws", 4)
    assert model["model"] == "tiny"
    assert 0 < model["bits"][0] < model["bits, ELBO"][0] < math.inf
    X = np.rint(images["test"].data * 255).astype(np.uint8)
    found = {row["model"]: row["bits"][0] for row in formats}
    assert list(found) == ["PNG, each alone", "PNG, all in one", "bz2", "lzma"]
    assert found["bz2"] == 8 * len(bz2.compress(X.tobytes(), 9)) / X.size
    assert published["model"] == "published: VAE coder, BB-ANS"
    assert float(published["bits"]) == 1.41
