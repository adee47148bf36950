"""Bits of compressed images: those of the files, and rows that come back."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from skvae import VAETransformer
from skvae.networks import MLP


@pytest.fixture
def compression(script):
    return script("compression")


@pytest.fixture
def binary():
    return (np.random.default_rng(0).random((12, 784)) < 0.1).astype(np.uint8)


def test_binary_images_are_stored_as_bits(compression, binary):
    found = compression.coded("zlib", binary, True)["bits"].mean
    assert found == 8 * len(zlib.compress(np.packbits(binary).tobytes(), 9)) / binary.size
    assert found < 0.7  # the entropy is 0.47


def test_the_png_holds_all_images(compression, binary):
    image = Image.fromarray(255 * binary.reshape(-1, 28)).convert("1")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    assert compression.as_png(binary, True) == len(file.getvalue())
    np.testing.assert_array_equal(np.asarray(image).reshape(12, 784), binary)


def test_a_model_is_measured_by_its_bytes_and_its_bound(compression, binary):
    network = MLP(hidden_layer_sizes=(8,))
    vae = VAETransformer(2, network=network, likelihood="bernoulli", max_epochs=2, random_state=0)
    bits, elbo, excess, to_bytes, from_bytes = compression.measured(vae.fit(binary), binary)
    assert excess == pytest.approx(100 * (bits / elbo - 1))
    assert elbo < bits < 3 * elbo
    assert to_bytes > 0
    assert from_bytes > 0
