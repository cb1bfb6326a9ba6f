"""What forecasts are worth: real series, the promise of intervals, and a panel of thousands.

real         three series that ship with statsmodels, 5 folds, each with a network of its own: MASE and baselines
calibration  500 generated series of known law, 3 folds: how many values lie between the quantiles 0.1 and 0.9
panel        5,000 generated seasonal series of 100 to 400 steps: seconds, memory, MASE

python benchmarks/series.py [real calibration panel]   # adds a record to benchmarks/results/series.jsonl
"""

from __future__ import annotations

import argparse
import datetime
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from throughtime import Forecaster
from throughtime.benchmark import record
from throughtime.benchmark.record import append, checkout, cpu, versions
from throughtime.series import Scores

RESULTS = Path(__file__).parent / "results" / "series.jsonl"


def mase(scores: Scores) -> dict[str, float]:
    return {method: round(scores.overall(method)["mase"], 4) for method in scores.by_lead}


def real() -> list[dict[str, Any]]:
    import statsmodels.api as sm

    data = sm.datasets
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        co2 = data.co2.load_pandas().data["co2"].resample("MS").mean()
        months = data.elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel()
        sunspots = data.sunspots.load_pandas().data
    start = np.datetime64("1950-01", "M")
    series: dict[str, tuple[dict[str, Any], int, int | None]] = {
        "CO2, months": ({"time": co2.index.to_numpy(), "y": co2.to_numpy()}, 12, None),
        "El Nino, months": (
            {"time": (start + np.arange(len(months))).astype("datetime64[D]"), "y": months},
            12,
            None,
        ),
        "sunspots, years": (
            {"time": sunspots["YEAR"].astype(int).to_numpy(), "y": sunspots["SUNACTIVITY"].to_numpy()},
            11,
            11,
        ),
    }
    rows = []
    for name, (table, horizon, season) in series.items():
        for seed in (1, 2, 3):
            model = Forecaster(horizon, time="time", season=season, random_state=seed, verbose=0).fit(table)
            found = model.backtest(folds=5)
            rows.append(
                {
                    "series": name,
                    "seed": seed,
                    "reference": model.reference_,
                    "mase": mase(found.scores),
                    "coverage": round(found.scores.overall()["coverage"], 3),
                    "folds_won": sum(fold.wins for fold in found.folds),
                }
            )
            print(rows[-1], flush=True)
    return rows


def calibration() -> list[dict[str, Any]]:
    """Waves with an autoregressive part, and random walks."""
    rows = []
    for seed in (1, 2, 3):
        for law in ("season and AR(1)", "random walk"):
            rng = np.random.default_rng(seed)
            series, season = [], 12 if law.startswith("season") else None
            for _ in range(500):
                noise = rng.normal(size=200)
                if season:
                    for t in range(1, 200):
                        noise[t] += 0.7 * noise[t - 1]
                    series.append(50 + 5 * np.sin(np.arange(200) * np.pi / 6 + rng.uniform(0, 6)) + noise)
                else:
                    series.append(np.cumsum(noise))
            short = [y[:-18] for y in series]
            model = Forecaster(6, season=season, random_state=seed, verbose=0).fit(short)
            scores = model.backtest(series, folds=3, refit=False).scores
            coverage = scores.overall()["coverage"]
            rows.append({"law": law, "seed": seed, "coverage": round(coverage, 4), "mase": mase(scores)})
            print(rows[-1], flush=True)
    return rows


def panel() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    series = []
    for _ in range(5000):
        t = np.arange(rng.integers(100, 401))
        level = np.exp(rng.normal(3, 1.5))
        phase = 2 * np.pi * t / 12 + rng.uniform(0, 2 * np.pi)
        season = level * rng.uniform(0.1, 0.6) * (np.sin(phase) + 0.4 * np.sin(2 * phase))
        noise = rng.normal(size=len(t)) * level * rng.uniform(0.05, 0.25)
        for step in range(1, len(t)):
            noise[step] += 0.6 * noise[step - 1]
        series.append(level * (1 + rng.normal(0, 0.002) * t) + season + noise)
    horizon = 12
    known = {"id": np.repeat(np.arange(5000), [len(y) - horizon for y in series])}
    known["y"] = np.concatenate([y[:-horizon] for y in series])
    table = {"id": np.repeat(np.arange(5000), [len(y) for y in series]), "y": np.concatenate(series)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    model = Forecaster(horizon, target="y", series="id", season=12, random_state=1).fit(known)
    model.predict()
    seconds = time.perf_counter() - began
    scores = model.evaluate(table)
    row = {
        "series": 5000,
        "steps": len(known["y"]),
        "seconds": round(seconds, 1),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "megabytes_before": round(before / 1024),
        "mase": mase(scores),
        "coverage": round(scores.overall()["coverage"], 4),
    }
    print(row, flush=True)
    return [row]


STUDIES: dict[str, Callable[[], list[dict[str, Any]]]] = {"real": real, "calibration": calibration, "panel": panel}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=", ".join(STUDIES), default=list(STUDIES))
    found = {name: STUDIES[name]() for name in parser.parse_args().studies}
    commit, changed = checkout(Path(record.__file__).parent)
    today = datetime.date.today().isoformat()
    where = {"date": today, "commit": commit, "changed": changed, "cpu": cpu(), "versions": versions()}
    append(RESULTS, where | found)


if __name__ == "__main__":
    main()
