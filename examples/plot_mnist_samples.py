"""
New digits, and how good they are
=================================

A variational autoencoder with squared error plus KL divergence is trained on MNIST, with a
checkpoint every ten epochs, and generates new digits. Two scores compare them with real ones.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPClassifier

import skvae
from skvae import Autosave, VAETransformer
from skvae.datasets import fetch_mnist
from skvae.likelihoods import Gaussian
from skvae.metrics import frechet_distance, inception_score
from skvae.networks import MLP
from skvae.plotting import SampleDisplay

# %%
# Settings
# --------
# If the noise of a Gaussian likelihood is fixed, the objective is squared error plus KL divergence,
# and the noise determines the weight of the error. The other parameters show what can be changed.

OUTPUT = Path("examples-output", "mnist-samples")

vae = VAETransformer(
    n_components=8,
    network=MLP(hidden_layer_sizes=(512, 256), activation="relu", dropout=0.0),
    likelihood=Gaussian(noise=0.5),
    batch_size=128,
    learning_rate=1e-3,
    max_epochs=50,
    callbacks=[Autosave(OUTPUT / "checkpoints", every=10, keep=None)],
    random_state=0,
)

# %%
# On the command line every parameter is an option with the same name::
#
#     skvae fit --data mnist --n-components 8 --likelihood "Gaussian(noise=0.5)" \
#         --batch-size 128 --learning-rate 1e-3 --max-epochs 50 --random-state 0 \
#         --checkpoint-dir checkpoints --checkpoint-every 10 -o mnist.skvae
#     skvae sample mnist.skvae -n 100 -o digits.png
#
# Data
# ----
# Pixels have values from 0 to 1.

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)

# %%
# Samples during training
# -----------------------
# A checkpoint can be loaded as a model. The same latent codes, decoded after 10 epochs and after
# 50:

vae.fit(X_train)
early = skvae.load(OUTPUT / "checkpoints" / "epoch-00010.skvae")
for model in (early, vae):
    display = SampleDisplay.from_estimator(model, kind="image", random_state=0)
    display.ax_.set_title(f"Samples after {model.n_iter_} epochs")
    display.figure_.savefig(OUTPUT / f"epoch-{model.n_iter_}.png")
plt.show()

# %%
# A hundred further samples, each saved as a picture. ``mean=True`` leaves out the noise of the
# likelihood:

samples = vae.sample(10_000, mean=True, random_state=1)
size = int(X_train.shape[1] ** 0.5)
for i, sample in enumerate(samples[:100]):
    plt.imsave(OUTPUT / f"sample-{i:02}.png", sample.reshape(size, size), cmap="gray_r")

# %%
# Two scores
# ----------
# Both scores use a classifier of real digits, here a perceptron that is trained in a few seconds.
# The inception score is high if the digits are distinct and all ten occur equally often; the
# maximum is 10. The Fréchet distance compares the distribution of the 128 hidden units with their
# distribution on the training images; the minimum is 0. The scores of real test images show what
# can be reached. Scores of different classifiers cannot be compared.

classifier = MLPClassifier(128, tol=0.01, n_iter_no_change=2, random_state=0).fit(X_train, y_train)
print(f"classifier: accuracy {classifier.score(X_test, y_test):.3f} on test images")


def hidden_layer(X):
    return np.maximum(X @ classifier.coefs_[0] + classifier.intercepts_[0], 0)


for name, images in {"test images": X_test, "samples": samples}.items():
    score = inception_score(classifier, images).mean
    distance = frechet_distance(X_train, images, features=hidden_layer)
    print(f"{name:<11}  inception score {score:.2f}, Fréchet distance {distance:.2f}")
