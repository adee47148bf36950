"""
Few labels, and draws by class
==============================

Digits are classified by 20 to 200 labels and 1,400 images without one, beside models that learn
from the labels alone or spread them over neighbours. New digits are drawn by class, and images
that are no digits are found by their likelihood.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.semi_supervised import LabelSpreading

from skvae import VAEClassifier

# %%
# Rows without labels
# -------------------
# Small digits of scikit-learn, 8 × 8 pixels. Of 1,437 images for training, only a few have a label;
# the label of the others is -1, as in scikit-learn's own semi-supervised classifiers.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)


def partly(n_labels):
    """Return labels of which all but so many, equally many of each digit, are -1."""
    rng, labels = np.random.default_rng(0), np.full(len(y_train), -1)
    for digit in range(10):
        chosen = rng.permutation(np.flatnonzero(y_train == digit))[: n_labels // 10]
        labels[chosen] = digit
    return labels


# %%
# The classifier is given all images, with the network of images, which knows that a digit stays
# the same digit if it is shifted a little. Logistic regression learns from the images with labels
# alone; label spreading gives images the labels of their neighbours.

numbers = [20, 50, 200]
accuracies = {"logistic regression": [], "label spreading": [], "VAEClassifier": []}
for n_labels in numbers:
    labels = partly(n_labels)
    known = labels >= 0
    alone = LogisticRegression(max_iter=2000).fit(X_train[known], labels[known])
    spread = LabelSpreading(kernel="knn", n_neighbors=10).fit(X_train, labels)
    vae = VAEClassifier(network="conv", max_epochs=30, random_state=0).fit(X_train, labels)
    for name, model in zip(accuracies, (alone, spread, vae), strict=True):
        accuracies[name].append(model.score(X_test, y_test))
        print(f"{n_labels} labels, {name}: accuracy {accuracies[name][-1]:.3f}")

# %%
# Accuracy on test images against the number of labels:

figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for name, values in accuracies.items():
    ax.plot(numbers, values, "o-", label=name)
ax.set(xscale="log", xlabel="labels", ylabel="accuracy", xticks=numbers, xticklabels=numbers)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# Draws by class
# --------------
# Every class has a distribution of latent vectors of its own, from which new images of it are
# drawn. From the top, eights and the other digits; ``mean=True`` leaves out the noise of pixels:

shown = [8, 0, 3, 5]
figure, axes = plt.subplots(len(shown), 12, figsize=(9, 3.2), layout="constrained")
for digit, line in zip(shown, axes, strict=True):
    drawn = vae.sample(12, y=digit, mean=True, random_state=0)
    print(f"draws of {digit} classified as {digit}: {(vae.predict(drawn) == digit).mean():.2f}")
    for ax, image in zip(line, drawn, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# No digit at all
# ---------------
# A classifier must choose one of its classes, and can be sure of its choice although the image is
# none of them. The likelihood tells: digits whose halves are swapped are less likely than all but a
# few real ones.

swapped = np.roll(X_test.reshape(-1, 8, 8), 4, axis=1).reshape(-1, 64)
real, strange = vae.score_samples(X_test), vae.score_samples(swapped)
threshold = np.quantile(real, 0.05)
sure = vae.predict_proba(swapped).max(axis=1) > 0.9
print(f"share of swapped digits with a sure class: {sure.mean():.2f}")
print(f"share found by their likelihood: {(strange < threshold).mean():.2f}")
