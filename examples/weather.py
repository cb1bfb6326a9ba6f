"""Temperature and humidity of several stations: one model of both beside two of one each.

The weather is made by a known rule, hour by hour: the temperature has a daily course that is weaker at the coast, falls
with the altitude and under clouds, and a slow disturbance comes on top. Humid air announces it: the humidity shows the
disturbance 6 hours before the temperature does. The forecast of clouds is known ahead; altitude and coast are facts
that never change.

So the joint model should be better for the temperature, of which the humidity tells something, above all for the next
6 hours; but not for the humidity, which the temperature only follows. Each model learns all stations together. The last
5 days are not learned, and forecast day by day, beside forecasts that need no network. It takes 20 seconds.

    python examples/weather.py [--days 120] [--steps 600] [--to weather.png]
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from throughtime import Forecaster

arguments = argparse.ArgumentParser(description="temperature and humidity together")
arguments.add_argument("--days", type=int, default=120)
arguments.add_argument("--steps", type=int, default=600)
arguments.add_argument("--to", type=Path, default=Path("weather.png"))
options = arguments.parse_args()

STATIONS = {  # altitude in km, and where
    "Airport": (0.1, "inland"), "Harbour": (0.0, "coast"), "Island": (0.05, "coast"), "Lighthouse": (0.02, "coast"),
    "Meadow": (0.4, "inland"), "Ridge": (1.8, "inland"), "Valley": (0.6, "inland"), "Village": (0.9, "inland"),
}  # fmt: skip
AHEAD, DAY, FOLDS = 6, 24, 5


def slow(rng, steps, memory):
    """A disturbance of size 1 that is forgotten in about so many steps."""
    keep = 1 - 1 / memory
    values = rng.normal(size=steps)
    for t in range(1, steps):
        values[t] = keep * values[t - 1] + np.sqrt(1 - keep**2) * values[t]
    return values


def weather(days, rng):
    """All stations as one table: a mapping of columns."""
    tables = []
    for name, (altitude, place) in STATIONS.items():
        steps = days * DAY
        front = slow(rng, steps + AHEAD, 24)
        clouds = np.clip(0.5 + 0.4 * slow(rng, steps, 8), 0, 1)
        course = (3 if place == "coast" else 6) * np.sin(2 * np.pi * (np.arange(steps) % DAY - 9) / DAY)
        temperature = 15 - 6.5 * altitude + course - 4 * clouds - 4 * front[:steps] + rng.normal(0, 0.3, steps)
        humidity = 65 - 2 * course + 10 * clouds + 8 * front[AHEAD:] + rng.normal(0, 1, steps)
        tables.append({
            "station": np.full(steps, name), "altitude": np.full(steps, altitude), "place": np.full(steps, place),
            "time": np.datetime64("2024-05-01T00", "s") + np.arange(steps) * np.timedelta64(1, "h"),
            "clouds": clouds, "temperature": temperature, "humidity": humidity,
        })  # fmt: skip
    return {column: np.concatenate([table[column] for table in tables]) for column in tables[0]}


def learn(target):
    """A model of these columns, and its forecasts of the last days, none of which it has learned."""
    model = Forecaster(
        horizon=DAY, target=target, future="clouds", static=["altitude", "place"], time="time", series="station",
        cell="gru", context=2 * DAY, dropout=0.05, max_steps=options.steps, random_state=1, verbose=0,
    )  # fmt: skip
    columns = ["station", "altitude", "place", "time", "clouds", *target]
    model.fit({column: data[column][early] for column in columns})
    return model, model.backtest({column: data[column] for column in columns}, folds=FOLDS, refit=False)


data = weather(options.days, np.random.default_rng(1))
early = data["time"] <= data["time"].max() - np.timedelta64(FOLDS * DAY, "h")
both = ["temperature", "humidity"]
joint, judged = learn(both)
print(
    f"{len(STATIONS)} stations, {options.days} days, the last {FOLDS} of them forecast a day ahead by the joint model:"
)
print(judged)

print(f"\n{'mean absolute error':<28}{'joint':>8}{'separate':>10}")
for place, name in enumerate(both):
    errors = []
    for found, column in ((judged, place), (learn([name])[1], 0)):
        forecasts = found.forecasts["network"]
        errors.append(np.abs(forecasts.truth - forecasts.point)[..., column].mean(axis=0))
    for hours, part in ((f"first {AHEAD} hours", slice(AHEAD)), ("the rest", slice(AHEAD, DAY))):
        print(f"{f'{name}, {hours}':<28}{errors[0][part].mean():>8.2f}{errors[1][part].mean():>10.2f}")

# The last day of one station: rows without a target hold what is known ahead.
last = data["time"] > data["time"].max() - np.timedelta64(DAY, "h")
until = data | {name: np.where(last, np.nan, data[name]) for name in both}
there = last & (data["station"] == "Ridge")
figure = Figure(figsize=(8, 6), layout="constrained")
for axes, name in zip(figure.subplots(2), both, strict=True):
    joint.plot(until, column=name, series="Ridge", ax=axes)
    axes.plot(data["time"][there], data[name][there], color="black", linewidth=0.8, linestyle=":", label="what came")
    axes.legend()
figure.savefig(options.to, dpi=150)
print(f"\nthe last day of the Ridge is in {options.to}")
