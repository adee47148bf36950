"""Bits per dimension of MNIST's test images with 256 grey levels, beside file formats.

    python benchmarks/quality/bits_per_dimension.py [--models "DiscretizedLogistic" ...]
        [--seeds 1] [--draws 16] [--json FILE]

The models are trained on the 60,000 training images and evaluated on the 10,000 test images, which
were not used for any choice. "bits" is the importance-weighted bound with `--draws` draws per image
(Burda et al., 2016, equation 8), in expectation never below the -log2 p(x) of an ideal code. "bits,
ELBO" is the bound with one draw, the cost of bits-back coding (Townsend et al., 2019). Of the file
formats, PNG stores each image alone or all of them in one tall image; bz2 and lzma compress all
images as one array. Each format uses its strongest compression, and its headers count. The formats
do not use the training images; the weights of a model do not count.
"""

from __future__ import annotations

import bz2
import io
import lzma
import time

import numpy as np
from _table import Figure, Published, arguments, fit_seconds, report
from PIL import Image

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.likelihoods import DiscretizedLogistic
from skvae.metrics import bits_per_dim, log_likelihood

MODELS = {
    "DiscretizedLogistic": VAETransformer(40, likelihood=DiscretizedLogistic(), max_epochs=6),
    "DiscretizedLogistic, 5": VAETransformer(
        40, likelihood=DiscretizedLogistic(n_mixtures=5), max_epochs=6
    ),
}
PUBLISHED = [Published("VAE coder, BB-ANS", 1.41, "Townsend et al. (2019)")]


def main():
    settings = arguments(__doc__, models=list(MODELS), seeds=1, draws=16)
    X, X_test = (levels(fetch_mnist(subset=subset).data) for subset in ("train", "test"))
    rows = [measure(name, X, X_test, settings) for name in settings.models]
    rows += [coded(name, X_test) for name in CODERS]
    rows += [published.row("bits") for published in PUBLISHED]
    report("MNIST, 256 grey levels: bits per dimension of the test images", rows, settings)


def levels(X):
    """Return pixels in [0, 1] as whole levels from 0 to 255."""
    return np.rint(255 * X).astype(np.float32)


def measure(name, X, X_test, settings):
    fits, bits, elbos = [], [], []
    for seed in range(settings.seeds):
        vae = MODELS[name].set_params(random_state=seed)
        fits.append(fit_seconds(vae, X))
        bits.append(bits_of(vae, X_test, settings.draws))
        elbos.append(bits_of(vae, X_test, 1))
        print(f"{name}, seed {seed}: {bits[-1]:.3f} bits after {fits[-1]:.0f} s", flush=True)
    return {
        "model": name,
        "bits": Figure.of(bits, 3),
        "bits, ELBO": Figure.of(elbos, 3),
        "seconds": Figure.of(fits, digits=0),
    }


def bits_of(vae, X, n_samples):
    nats = log_likelihood(vae, X, n_samples=n_samples, random_state=0).mean
    return bits_per_dim(nats, X.shape[1])


def coded(name, X):
    start = time.perf_counter()
    n_bytes = CODERS[name](X.astype(np.uint8))
    seconds = time.perf_counter() - start
    return {
        "model": name,
        "bits": Figure.of([8 * n_bytes / X.size], 3),
        "seconds": Figure.of([seconds], digits=0),
    }


def as_png(pixels):
    """Return the size of the PNG file in bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return len(file.getvalue())


def as_bz2(X):
    return len(bz2.compress(X.tobytes()))


def as_lzma(X):
    return len(lzma.compress(X.tobytes(), preset=9 | lzma.PRESET_EXTREME))


def pictures(X):
    side = int(X.shape[1] ** 0.5)
    return X.reshape(-1, side, side)


CODERS = {
    "PNG, each alone": lambda X: sum(as_png(picture) for picture in pictures(X)),
    "PNG, all in one": lambda X: as_png(np.concatenate(pictures(X))),
    "bz2": as_bz2,
    "lzma": as_lzma,
}

if __name__ == "__main__":
    main()
