"""Bits per dimension of MNIST's test images in compressed form, beside file formats.

    python benchmarks/quality/compression.py [--models binary ...] [--seeds 1] [--rows 10000]
        [--json FILE]

The models are trained on the 60,000 training images. The first test images are compressed and
decompressed by `skvae.compress` and `skvae.decompress`, and compared. "bits" is the length of the
result, digests and all, per pixel; "bits, ELBO" is the bound of the model with one draw per image,
for the same images; "excess" is by how much the first is longer. "to" and "from" are the seconds of
processor time, on one core, for compression, which includes decompression as a check, and for
decompression. The "binary" images are drawn once from the grey levels (seed 0), and the others have
256 levels. The weights of a model do not count. PNG stores all images in one tall image; zlib and
lzma compress them as one array, of bits if they are binary.
"""

from __future__ import annotations

import io
import lzma
import time
import zlib

import numpy as np
from _table import Figure, Published, arguments, fit_seconds, report
from PIL import Image

from skvae import VAETransformer, compress, decompress
from skvae.datasets import fetch_mnist
from skvae.likelihoods import Bernoulli, DiscretizedLogistic
from skvae.metrics import bits_per_dim, log_likelihood
from skvae.networks import Conv
from skvae.priors import VampPrior

MODELS = {
    "binary": VAETransformer(
        40,
        network=Conv(channels=(32, 64), hidden_units=512, activation="silu"),
        likelihood=Bernoulli(binarize="dynamic"),
        prior=VampPrior(n_pseudo_inputs=300),
        max_epochs=60,
        batch_size=256,
        learning_rate=3e-3,
        weight_decay=0.2,
    ),
    "256 levels": VAETransformer(40, likelihood=DiscretizedLogistic(n_mixtures=5), max_epochs=6),
    "256 levels, convolutions": VAETransformer(
        40,
        network=Conv(channels=(32, 64), hidden_units=512, activation="silu"),
        likelihood=DiscretizedLogistic(n_mixtures=5),
        max_epochs=30,
        batch_size=256,
        learning_rate=3e-3,
    ),
}
PUBLISHED = {
    True: [Published("BB-ANS", 0.19, "Townsend et al. (2019)")],
    False: [
        Published("BB-ANS", 1.41, "Townsend et al. (2019)"),
        Published("Bit-Swap, 8 layers", 1.27, "Kingma, Abbeel & Ho (2019)"),
    ],
}


def main():
    settings = arguments(__doc__, models=list(MODELS), seeds=1, rows=10_000)
    train, test = (fetch_mnist(subset=subset).data for subset in ("train", "test"))
    test = test[: settings.rows]
    binary = (np.random.default_rng(0).random(test.shape) < test).astype(np.uint8)
    levels = np.rint(255 * test).astype(np.uint8)
    for is_binary, X in ((True, binary), (False, levels)):
        names = [name for name in settings.models if (name == "binary") == is_binary]
        if not names:
            continue
        X_train = train if is_binary else np.rint(255 * train).astype(np.float32)
        rows = [measure(name, X_train, X, settings) for name in names]
        rows += [coded(name, X, is_binary) for name in CODERS]
        rows += [published.row("bits") for published in PUBLISHED[is_binary]]
        kind = "drawn as zeros and ones" if is_binary else "256 grey levels"
        report(f"MNIST, {kind}: bits per dimension of {len(X)} test images", rows, settings)


def measure(name, X_train, X, settings):
    fits, columns = [], []
    for seed in range(settings.seeds):
        vae = MODELS[name].set_params(random_state=seed)
        fits.append(fit_seconds(vae, X_train))
        columns.append(measured(vae, X))
        print(f"{name}, seed {seed}: {columns[-1]} after {fits[-1]:.0f} s", flush=True)
    bits, elbo, excess, to_bytes, from_bytes = zip(*columns, strict=True)
    return {
        "model": name,
        "bits": Figure.of(bits, 4),
        "bits, ELBO": Figure.of(elbo, 4),
        "excess, %": Figure.of(excess, 2),
        "to, s": Figure.of(to_bytes, 0),
        "from, s": Figure.of(from_bytes, 0),
        "fit, s": Figure.of(fits, 0),
    }


def measured(vae, X):
    """Return bits, bits of the ELBO, the excess in percent, and seconds to and from bytes."""
    start = time.process_time()
    data = compress(vae, X)
    middle = time.process_time()
    again = decompress(vae, data)
    end = time.process_time()
    if again.dtype != X.dtype or not np.array_equal(again, X):
        raise AssertionError("the rows did not come back")
    nats = log_likelihood(vae, X, n_samples=1, random_state=0).mean
    bits, elbo = 8 * len(data) / X.size, bits_per_dim(nats, X.shape[1])
    return bits, elbo, 100 * (bits / elbo - 1), middle - start, end - middle


def coded(name, X, is_binary):
    start = time.process_time()
    n_bytes = CODERS[name](X, is_binary)
    return {
        "model": name,
        "bits": Figure.of([8 * n_bytes / X.size], 4),
        "to, s": Figure.of([time.process_time() - start], 0),
    }


def as_png(X, is_binary):
    """Return the size in bytes of the PNG file of all images one below the other."""
    side = int(X.shape[1] ** 0.5)
    image = Image.fromarray(X.reshape(-1, side) * (255 if is_binary else 1))
    file = io.BytesIO()
    (image.convert("1") if is_binary else image).save(file, "PNG", optimize=True)
    return len(file.getvalue())


def as_bytes(X, is_binary):
    return (np.packbits(X) if is_binary else X).tobytes()


CODERS = {
    "PNG, all in one": as_png,
    "zlib": lambda X, is_binary: len(zlib.compress(as_bytes(X, is_binary), 9)),
    "lzma": lambda X, is_binary: len(
        lzma.compress(as_bytes(X, is_binary), preset=9 | lzma.PRESET_EXTREME)
    ),
}

if __name__ == "__main__":
    main()
