"""
Binary digits: reconstructions, samples and training curves
===========================================================

MNIST at 14 x 14 pixels with values 0 and 1. For such data the Bernoulli likelihood is exact: a
variational autoencoder minimises the binary cross-entropy of its reconstructions plus the KL
divergence of its latent codes from the prior. The sum is an upper bound of the negative
log-likelihood.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.metrics import reconstruction_error
from skvae.networks import MLP
from skvae.plotting import ReconstructionDisplay, SampleDisplay, TrainingCurveDisplay

N_COMPONENTS = 16

# %%
# Data
# ----
# The training images, of which ``fit`` selects one in twenty for validation at random, and test
# images that are used for nothing else.

X, X_test = (
    fetch_mnist(subset=subset, image_size=14, binarize=True).data for subset in ("train", "test")
)

# %%
# A network of tanh units, and validation after every epoch
# ---------------------------------------------------------
# With ``early_stopping`` the history contains both parts of the loss for both sets, and the model
# keeps the weights of the best epoch.

vae = VAETransformer(
    N_COMPONENTS,
    network=MLP(hidden_layer_sizes=(512, 256), activation="tanh"),
    likelihood="bernoulli",
    max_epochs=50,
    early_stopping=True,
    validation_fraction=0.05,
    random_state=0,
).fit(X)

best = vae.history_["valid_loss"].argmin()
print(f"epoch {best + 1} (nats per image)")
for name in ("train", "valid"):
    loss, reconstruction, kl = (
        vae.history_[f"{name}_{term}"][best] for term in ("loss", "reconstruction", "kl")
    )
    print(f"  {name}  loss {loss:.2f} = cross-entropy {-reconstruction:.2f} + KL {kl:.2f}")

TrainingCurveDisplay.from_estimator(vae)
plt.show()

# %%
# Reconstructions
# ---------------
# Images in the upper row and their reconstructions below them, first of training images and then of
# test images:

for name, rows in {"Training": X[:12], "Test": X_test[:12]}.items():
    ReconstructionDisplay.from_estimator(vae, rows).ax_.set_title(f"{name} images")
plt.show()

# %%
# The cross-entropy of these reconstructions is compared with that of PCA with the same number of
# components. The reconstructions of PCA are clipped to [0, 1], so that they are valid
# probabilities.

pca = PCA(N_COMPONENTS, random_state=0).fit(X)
reconstructions = {
    "PCA": np.clip(pca.inverse_transform(pca.transform(X_test)), 0, 1),
    "VAE": vae.reconstruct(X_test),
}
print(f"cross-entropy of {len(X_test)} test images, {N_COMPONENTS} numbers each (nats per image)")
for name, reconstructed in reconstructions.items():
    error = reconstruction_error(X_test, reconstructed, metric="cross_entropy")
    print(f"  {name}  {error:6.2f}")

# %%
# Samples
# -------
# The decoded means of latent codes drawn from the prior:

SampleDisplay.from_estimator(vae, random_state=0)
plt.show()

# sphinx_gallery_thumbnail_number = 4
