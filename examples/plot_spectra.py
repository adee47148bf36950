"""
Spectra: noise removed, contaminated samples found
==================================================

Emission spectra at 120 wavelengths. One band moves with the temperature of the sample. PCA needs
many components to describe a moving band; a variational autoencoder (VAE) needs one dimension. The
spectra are denoised, and samples that contain an unknown substance are found and explained.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skvae import VAEAnomalyDetector

# %%
# Spectra
# -------
# The spectra are simulated. They have two bands of varying height, of which the first moves by
# 100 nm between cold and warm samples, and noise.

rng = np.random.default_rng(0)
wavelengths = np.linspace(400, 700, 120)


def band(centre, width):
    """Return a band around one centre, or around each centre of a column."""
    return np.exp(-(((wavelengths - centre) / width) ** 2))


first, second, warmth = (rng.uniform(low, 1, (1200, 1)) for low in (0.3, 0.3, 0))
clean = first * band(440 + 100 * warmth, 12) + second * band(610, 30)
spectra = clean + rng.normal(0, 0.03, clean.shape)
X_train, X_test, _, clean_test, _, warmth_test = train_test_split(
    spectra, clean, warmth, test_size=200, random_state=0
)
print(f"{len(X_train)} spectra to learn and {len(X_test)} to test")

# %%
# A detector embeds and reconstructs rows as :class:`~skvae.VAETransformer` does, and scores them as
# well. Three latent dimensions are enough for three causes of variation.

vae = VAEAnomalyDetector(n_components=3, max_epochs=30, random_state=0).fit(X_train)

# %%
# Less noise
# ----------
# Reconstructions of noisy spectra are compared with the spectra without noise, which are known
# here. PCA with few components cannot describe the moving band, and with many components it
# reproduces the noise:

pcas = {n: PCA(n, random_state=0).fit(X_train) for n in (3, 6, 10, 14, 20)}
denoised = {"measured": X_test}
for n, pca in pcas.items():
    denoised[f"PCA, {n} components"] = pca.inverse_transform(pca.transform(X_test))
denoised["VAE, 3 dimensions"] = vae.reconstruct(X_test)
for name, values in denoised.items():
    print(f"{name:<18}  error {np.sqrt(np.mean((values - clean_test) ** 2)):.4f}")

figure, axes = plt.subplots(3, 1, figsize=(6, 5.4), layout="constrained", sharex=True, sharey=True)
shown = ("PCA, 3 components", "PCA, 20 components", "VAE, 3 dimensions")
for ax, name in zip(axes, shown, strict=True):
    ax.plot(wavelengths, X_test[0], ".", color="0.65", markersize=4, label="measured")
    ax.plot(wavelengths, clean_test[0], color="black", label="without noise")
    ax.plot(wavelengths, denoised[name][0], color="#D55E00", label="denoised")
    ax.set_title(name)
axes[0].legend(frameon=False, loc="upper left")
axes[2].set(xlabel="wavelength in nm", ylabel="emission")
plt.show()

# %%
# Contaminated samples
# --------------------
# An unknown substance adds a narrow band at 500 nm to a copy of each test spectrum. Similar bands
# at this place are normal, so that no single wavelength gives the substance away. AUROC is 0.5 for
# guessing and 1 for a perfect ranking:

contaminated = X_test + 0.2 * band(500, 8)
mixed, labels = np.vstack([X_test, contaminated]), np.repeat([1, -1], len(X_test))
forest = IsolationForest(random_state=0).fit(X_train)
detectors = {"IsolationForest": forest, "PCA, 3": pcas[3], "PCA, 10": pcas[10], "VAE": vae}
for name, detector in detectors.items():
    print(f"AUROC of {name:<15}  {roc_auc_score(labels, detector.score_samples(mixed)):.3f}")

# %%
# ``explain`` shows at which wavelengths a spectrum is unusual. Here are a contaminated spectrum and
# the contribution of each wavelength to its score:

odd = contaminated[[vae.score_samples(contaminated).argmin()]]
[contribution] = vae.explain(odd)
print(f"most unusual at {wavelengths[contribution.argmax()]:.0f} nm")
figure, (upper, lower) = plt.subplots(2, 1, figsize=(6, 3.6), layout="constrained", sharex=True)
upper.plot(wavelengths, odd[0], color="#D55E00", label="contaminated")
upper.plot(wavelengths, vae.reconstruct(odd)[0], color="#0072B2", label="reconstruction")
upper.set_ylabel("emission")
upper.legend(frameon=False)
lower.bar(wavelengths, contribution, width=2.5, color="#D55E00")
lower.set(xlabel="wavelength in nm", ylabel="lowers the score by")
plt.show()

# sphinx_gallery_thumbnail_number = 1
