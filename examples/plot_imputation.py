"""
Fill gaps, and say how sure
===========================

Half of the pixels of digits are removed and drawn again; gaps in a table of measurements are filled
several times, and the intervals of the draws are compared with the hidden truth; digits with gaps
are embedded and classified.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skvae import VAEImputer, VAETransformer
from skvae.plotting import ImputationDisplay

# %%
# Digits with holes
# -----------------
# Small digits of scikit-learn, 8 × 8 pixels. Every second pixel is hidden at random, in training
# and in test images: no image is ever seen whole. Imputers have fewer models and epochs than by
# default, which keeps this page fast.

rng = np.random.default_rng(0)


def with_holes(X, share):
    """Return a copy of rows of which a share of the values is missing."""
    return np.where(rng.random(X.shape) < share, np.nan, X)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
holes_train, holes_test = with_holes(X_train, 0.5), with_holes(X_test, 0.5)

mean_fill = SimpleImputer(keep_empty_features=True).fit(holes_train)
neighbour_fill = KNNImputer(keep_empty_features=True).fit(holes_train)
vae_fill = VAEImputer(n_estimators=1, max_epochs=40, random_state=0).fit(holes_train)
print(f"{vae_fill.n_iter_} epochs in {vae_fill.history_['duration'].sum():.0f} s")

# %%
# Error of the hidden pixels, whose values are between 0 and 16:

hidden = np.isnan(holes_test)
for name, model in {"mean": mean_fill, "neighbours": neighbour_fill, "VAE": vae_fill}.items():
    errors = (model.transform(holes_test) - X_test)[hidden]
    print(f"{name} fill of digits: RMSE {np.sqrt(np.mean(errors**2)):.2f}")

# %%
# From the top: images with holes (orange), holes filled with the mean of each pixel, with the
# expectation given the other pixels, and with two draws; last, the whole images. The expectation is
# blurred where the model is unsure, and the draws differ there.

shown = slice(0, 12)
lines = {
    "observed": holes_test[shown],
    "mean": mean_fill.transform(holes_test[shown]),
    "expected": vae_fill.transform(holes_test[shown]),
}
draws = vae_fill.impute(holes_test[shown], n_draws=2, random_state=0)
lines |= {"draw 1": draws[0], "draw 2": draws[1], "truth": X_test[shown]}

figure, axes = plt.subplots(len(lines), 12, figsize=(9, 4.8), layout="constrained")
ink = plt.get_cmap("gray_r").with_extremes(bad="#d55e00")
for line, (name, images) in zip(axes, lines.items(), strict=True):
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap=ink, vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# A table
# -------
# Ten measurements of 569 tumours, of which 30 % are hidden. The imputer is given the data frame
# with gaps and returns one without. Errors are in standard deviations of the column:

table = load_breast_cancer(as_frame=True).data.iloc[:, :10]
table = table.rename(columns=lambda name: name.removeprefix("mean "))
gaps = rng.random(table.shape) < 0.3
observed = table.mask(gaps)
imputer = VAEImputer(n_estimators=2, max_epochs=100, random_state=0).fit(observed)
means = observed.fillna(observed.mean())
for name, filled in {"mean": means, "VAE": imputer.transform(observed)}.items():
    errors = ((filled - table) / table.std()).to_numpy()[gaps]
    print(f"{name} fill of the table: RMSE {np.sqrt(np.mean(errors**2)):.2f}")

# %%
# How sure?
# ---------
# Each gap is filled with 39 draws, whose range is an interval of 95 %. Since the truth is known
# here, the intervals can be checked. Drawn values (orange) are distributed as the hidden ones
# (black), and the share of intervals with the true value, in the titles below, should be about
# 95 %. Where the rest of the row determines a value, as for the radius by the area, the intervals
# are short:

display = ImputationDisplay.from_estimator(
    imputer,
    observed,
    table,
    features=["radius", "texture", "area", "smoothness", "concavity", "symmetry"],
    random_state=0,
)
print(f"mean coverage {np.mean(list(display.coverage_.values())):.2f}")
plt.show()

# %%
# To compute something from the filled table and know its standard error, compute it from each of
# several copies, ``imputer.impute(observed, n_draws=20)``, and combine the results by
# :func:`skvae.metrics.pool`; the user guide has an example (:doc:`/user_guide/missing`).
#
# Embeddings
# ----------
# Digits are embedded in 16 dimensions and classified by their five nearest neighbours. A
# ``VAETransformer`` accepts images with holes as they are. If half of the pixels are missing,
# filling by the imputer first gives a much better embedding:


def accuracy(train, test):
    """Return the accuracy of nearest neighbours in the embedding of a VAE."""
    vae = VAETransformer(max_epochs=30, random_state=0).fit(train)
    classifier = KNeighborsClassifier(5).fit(vae.transform(train), y_train)
    return classifier.score(vae.transform(test), y_test)


print(f"accuracy, whole images       {accuracy(X_train, X_test):.3f}")
print(f"accuracy, images with holes  {accuracy(holes_train, holes_test):.3f}")
for name, model in {"means": mean_fill, "imputer": vae_fill}.items():
    filled = accuracy(model.transform(holes_train), model.transform(holes_test))
    print(f"accuracy, filled by {name:<8} {filled:.3f}")
