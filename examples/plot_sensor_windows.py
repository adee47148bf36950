"""
Faults in the signal of a sensor
================================

The power that a building draws, measured every half hour for two years. The signal is cut into
windows of one day, so that every row of the table is a day and every column a time of day. A
detector learns the days of the first year, flags days of the second year on which something was
wrong, and shows at which time of day it was.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from skvae import VAEAnomalyDetector
from skvae.plotting import AnomalyScoreDisplay

# %%
# The signal
# ----------
# The signal is simulated: heating in winter, people from Monday to Friday, and noise. People arrive
# a little earlier or later every day.

rng = np.random.default_rng(0)
days = pd.date_range("2023-01-01", periods=730)
hours = np.arange(48) / 2


def smooth_step(x):
    return 1 / (1 + np.exp(-2 * x))


def column(*values):
    return np.reshape(values, (-1, 1))


winter = column(*np.cos(2 * np.pi * (days.day_of_year - 15) / 365))
is_weekend = column(*(days.day_of_week >= 5))
arrival, departure = (column(*rng.normal(mean, 0.5, len(days))) for mean in (7.5, 17.5))
people = np.where(is_weekend, 0.1, rng.normal(1, 0.08, (len(days), 1)))
occupied = people * smooth_step(hours - arrival) * smooth_step(departure - hours)
heating = (1 + winter) * (8 + 3 * np.cos(2 * np.pi * (hours - 5) / 24))
power = 15 + heating + 30 * occupied + rng.normal(0, 1, (len(days), len(hours)))

# %%
# Three kinds of faults occur in the second year, on eight days each: the lights stay on at night,
# the sensor repeats its last value for five hours, and a controller switches a machine on and off
# every half hour.

second_year = np.flatnonzero(days.year == 2024)
at_night, stuck, switching = np.split(rng.choice(second_year, 24, replace=False), 3)
power[at_night, :10] += 6
power[stuck, 17:27] = power[stuck, 16:17]
power[switching, 14:34] += 5 * (-1.0) ** np.arange(20)

# %%
# Windows
# -------
# A frame with a row for each day. For overlapping windows of a long signal there is
# ``numpy.lib.stride_tricks.sliding_window_view``.

times = [f"{int(hour):02}:{'30' if hour % 1 else '00'}" for hour in hours]
windows = pd.DataFrame(power, index=days.date, columns=times)
train, new = windows[days.year == 2023], windows[days.year == 2024]
is_fault = np.isin(second_year, np.concatenate([at_night, stuck, switching]))
print(f"{len(train)} days to learn, {len(new)} new days, {is_fault.sum()} of them with a fault")

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(hours, train.to_numpy()[::5].T, color="0.8", linewidth=0.6)
for name, rows in {"at night": at_night, "stuck": stuck, "switching": switching}.items():
    ax.plot(hours, power[rows[0]], label=name)
ax.set(xlabel="hour", ylabel="power in kW", title="Days of the first year, and one of each fault")
ax.legend(frameon=False)
plt.show()

# %%
# A detector
# ----------
# Three in ten days of the first year are set aside for p-values. At most one in fifty days without
# a fault is expected to have a p-value of 0.02 or less, which is ``contamination``.

detector = VAEAnomalyDetector(calibration_fraction=0.3, contamination=0.02, random_state=0).fit(
    train
)
flagged = detector.predict(new) == -1
print(f"{flagged[is_fault].sum()} of {is_fault.sum()} faults are flagged")
print(f"{flagged[~is_fault].sum()} of {(~is_fault).sum()} other days are flagged")

labels = np.where(is_fault, -1, 1)
AnomalyScoreDisplay.from_estimator(detector, new, labels, kind="table")
plt.show()

# %%
# Other detectors
# ---------------
# Ranked by AUROC (0.5 is guessing, 1 is perfect). PCA ranks by its log-likelihood, with as many
# components as explain 95 % of the variance.

others = {
    "IsolationForest": IsolationForest(random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "PCA": PCA(0.95, random_state=0),
}
ranks = {"VAEAnomalyDetector": detector.score_samples(new)}
for name, other in others.items():
    ranks[name] = other.fit(train.to_numpy()).score_samples(new.to_numpy())
for name, values in ranks.items():
    print(f"AUROC of {name:<18}  {roc_auc_score(labels, values):.3f}")

# %%
# At which time of day?
# ---------------------
# ``explain`` returns by how much each cell lowers the score, with the value that the model expects
# there. Below are the days with the lowest score of each kind of fault. The dots are the half hours
# that matter most.

scores = pd.Series(ranks["VAEAnomalyDetector"], new.index)
kinds = {"at night": at_night, "stuck": stuck, "switching": switching}
lowest = [scores.loc[days.date[rows]].idxmin() for rows in kinds.values()]
explained = detector.explain(new.loc[lowest])

figure, axes = plt.subplots(3, 1, figsize=(6, 5), layout="constrained", sharex=True)
for row, (ax, kind, day) in enumerate(zip(axes, kinds, lowest, strict=True)):
    cells = explained[explained["row"] == row].set_index("feature").loc[times]
    worst = cells["contribution"].nlargest(8).index
    ax.plot(times, new.loc[day], label="measured", color="#D55E00")
    ax.plot(times, cells["expected"].astype(float), label="expected", color="#0072B2")
    ax.plot(worst, new.loc[day, worst], "o", color="#D55E00")
    ax.set(title=f"{kind}, {day}", ylabel="kW", xticks=times[::8])
    print(f"{kind:<10}  {day}  mostly at {', '.join(sorted(worst[:3]))}")
axes[0].legend(frameon=False)
plt.show()

# sphinx_gallery_thumbnail_number = 3
