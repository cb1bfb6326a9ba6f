"""What a forecaster can do once it has learned: forecast, be judged, draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from throughtime.engine.protocol import Array
from throughtime.errors import DataError, DataTypeError, ParameterError, how_many, known, short
from throughtime.learner import Learner
from throughtime.series import conformal
from throughtime.series.backtest import judge
from throughtime.series.features import scale_of
from throughtime.series.forecasting import Reader
from throughtime.series.frequency import Frequency, told
from throughtime.series.metrics import Scores
from throughtime.series.model_file import Fitted
from throughtime.series.panel import Panel, Series, are
from throughtime.series.tables import columns_of, panel_of_arrays, panel_of_columns, roles_of, to_form


def check_no_labels(y: Any) -> None:
    """Raises :class:`DataTypeError` if a second argument, as estimators of labels have it, is given."""
    if y is not None:
        raise DataTypeError(
            "a forecaster takes one argument, its data; name the column of them that is forecast with target"
        )


class TrainedForecaster(Learner):
    """The half of a forecaster that needs what ``fit`` found, and nothing of how."""

    fitted_: Fitted
    horizon: int
    loss: str
    frequency: str | None
    levels_: tuple[float, ...]
    season_: int
    _panel: Panel

    @property
    def _unfinished(self) -> str | None:
        """One sentence on a training that was broken off; None where it was not, or nothing tells."""
        planned = self.planned_steps_
        if planned is None:
            return None
        return (
            f"the model is unfinished: its training was broken off after {len(self.history_.loss):,} of "
            f"{how_many(planned, 'step')}, and its intervals are not calibrated"
        )

    def predict(self, data: Any = None) -> Any:
        """Forecasts the next ``horizon`` steps of each series.

        Parameters
        ----------
        data : as for ``fit``, default None
            The series up to now, at least a season and a step of each; the last ``context_`` steps are read, and with
            the references ``"profile"`` and ``"recent"`` all that is given decides what is usual. Rows at
            the end without a target hold what is known ahead. None: those of ``fit``. A series of theirs that has its
            name (in the column ``series``) keeps the mean and scale that were found then; any other, and so each that
            has no name, even where it goes on with one that was learned, is seen in those of what is given.

        Returns
        -------
        data frame, mapping of columns, or array
            Of tables the kind that came in: the series and time columns (``step``, counted from 1, where there is no
            time), the times in the form, with the zone and in the place (column or index) that they came in, each
            target's middle forecast under its name, and its quantiles under names like ``sales_0.9``. Of arrays
            ``[h, C]``, or ``[N, h, C]`` of several series; ``C`` is left out where it is 1.

        Raises
        ------
        DataError
            If a series is too short, of another frequency, has a category that the model never saw, has no value in a
            column that is forecast, or lacks what should be known ahead; and for what ``fit`` would not take either.
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> from throughtime import Forecaster
        >>> table = {"month": np.arange("2015-01", "2024-01", dtype="datetime64[M]"), "sales": np.arange(108.0) % 12}
        >>> model = Forecaster(2, time="month", hidden_size=4, max_steps=20, random_state=1, verbose=0).fit(table)
        >>> found = model.predict()
        >>> list(found)
        ['month', 'sales', 'sales_0.1', 'sales_0.9']
        >>> found["month"].astype("datetime64[M]").tolist()
        [datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)]
        """
        panel, points, quantiles = self._forecast_given(data)
        if panel.form in ("array", "arrays"):
            found = points[0] if panel.form == "array" else points
            return found[..., 0] if found.shape[-1] == 1 else found
        index = panel.roles.time if panel.times is not None and panel.times.indexed else None
        return to_form(_columns(panel, points, quantiles, self.levels_), panel.form, index)

    def predict_quantiles(self, data: Any = None) -> Array:
        """Forecasts the quantiles of the next ``horizon`` steps of each series.

        Parameters
        ----------
        data : as for ``predict``

        Returns
        -------
        array
            ``[N, h, C, Q]``, in the order of the series and of ``levels_``, rising along the last axis.

        Raises
        ------
        DataError, NotFittedError
            As ``predict`` does.
        """
        return self._forecast_given(data)[2]

    def evaluate(self, data: Any = None) -> Scores:
        """Forecasts the last ``horizon`` steps of each series from those before them, and judges that.

        The network is judged beside naive, seasonal naive and drift forecasts. Of the data of ``fit`` these steps were
        in the validation part, if there was one: they were not learned, but helped to calibrate the intervals, so that
        the coverage is that of the steps it was made for. That of :meth:`backtest` is not.

        Parameters
        ----------
        data : as for ``fit``, default None
            None: those of ``fit``.

        Returns
        -------
        Scores

        Raises
        ------
        DataError
            If a series has fewer steps than the horizon, a season and one more; and as ``predict`` does.
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> from throughtime import Forecaster
        >>> walk = np.cumsum(np.random.default_rng(1).normal(size=200))
        >>> model = Forecaster(3, hidden_size=4, max_steps=20, random_state=1, verbose=0).fit(walk)
        >>> sorted(model.evaluate().by_lead)
        ['drift', 'naive', 'network']
        """
        panel = self._given(data, ahead=False)
        return judge(self, panel, of_fit=data is None)

    def score(self, data: Any = None, y: Any = None) -> float:
        """Minus the MASE over the last ``horizon`` steps, as :meth:`evaluate` finds it; greater is better.

        For scikit-learn's searches, with folds that do not cut a series in two (``TimeSeriesSplit``, or a list of
        series): the model learns one part, and forecasts the end of the other from its beginning.

        Parameters
        ----------
        data : as for ``fit``, default None
            None: those of ``fit``.
        y : None
            There is no second argument.

        Returns
        -------
        float
            Above -1: better than the seasonal naive forecast is within the history.

        Raises
        ------
        DataError, NotFittedError
            As ``evaluate`` does.
        DataTypeError
            If there is a second argument.

        Examples
        --------
        >>> from throughtime import Forecaster
        >>> walk = np.cumsum(np.random.default_rng(1).normal(size=200))
        >>> model = Forecaster(3, hidden_size=4, max_steps=20, random_state=1, verbose=0).fit(walk)
        >>> model.score() == -model.evaluate().overall()["mase"]
        True
        """
        check_no_labels(y)
        return -self.evaluate(data).overall()["mase"]

    def _forecast_given(self, data: Any) -> tuple[Panel, Array, Array]:
        """Data that were given, or those of ``fit``, and what :meth:`forecast_panel` finds."""
        panel = self._given(data)
        points, quantiles = self.forecast_panel(panel, of_fit=data is None)
        _check_finite(panel, quantiles)
        return panel, points, quantiles

    def _given(self, data: Any, *, ahead: bool = True) -> Panel:
        """Checked data to forecast, or those of ``fit``."""
        self.check_fitted()
        fitted = self.fitted_
        if self._unfinished is not None:
            self._say(self._unfinished)
        if data is None:
            if not hasattr(self, "_panel"):
                raise DataError("a model that was loaded does not hold the series that it learned from; give them")
            panel = self._panel
        else:
            panel = self._again(data)
        if ahead:
            self.check_ahead(panel)
        for series in panel:
            if len(series) <= fitted.features.season:
                raise DataError(
                    f"{series.called} has {how_many(len(series), 'step')}; a forecast needs a season and a step "
                    f"before it, {fitted.features.season + 1}"
                )
        return panel

    def _again(self, data: Any) -> Panel:
        """Data with the columns that the model learned."""
        roles, table = self.fitted_.roles, columns_of(data)
        if table is None:
            panel = panel_of_arrays(data)
            if len(panel.roles.target) != len(roles.target) or roles.numbers != roles.target or roles.static:
                raise DataError(
                    f"the model learned the columns {known((*roles.numbers, *roles.static)[:10])}, got arrays of "
                    f"{how_many(len(panel.roles.target), 'column')}"
                )
            if self.fitted_.features.calendar:
                raise DataError(
                    f"the model reads the calendar in column {short(roles.time)}, which arrays do not have; "
                    "give a table"
                )
            return replace(panel, roles=roles)
        wanted = {name: getattr(roles, name) for name in ("target", "past", "future", "static", "time", "series")}
        frequency, gaps = self.frequency or self.fitted_.frequency, self.frequency is not None
        return panel_of_columns(table, roles_of(table.columns, **wanted), frequency, gaps=gaps)

    def check_ahead(self, panel: Panel) -> None:
        """Checks that there is a value to forecast from, and that what is known ahead reaches over the horizon.

        Parameters
        ----------
        panel : Panel

        Raises
        ------
        DataError
            If there is none, or it does not.
        """
        for series in panel:
            empty = np.isnan(series.target).all(axis=0)
            if empty.any():
                raise DataError(
                    f"column {short(panel.roles.target[empty.argmax()])} of {series.called} has no value to forecast "
                    "from; leave the series out, or the column"
                )
        for series in panel:
            for column, name in enumerate(panel.roles.future):
                there = series.future[len(series) : len(series) + self.horizon, column]
                _check_rows(panel, series, name, there)
                missing = self.horizon - int(np.isfinite(there).sum())
                if missing:
                    raise DataError(
                        f"column {short(name)} is known ahead, but of the {how_many(self.horizon, 'step')} after the "
                        f"end of {series.called} {missing} {are(missing)} missing; give rows for them, with the "
                        "target left empty"
                    )

    def _reader(self) -> Reader:
        fitted = self.fitted_
        middle = fitted.levels.index(0.5) if self.loss == "pinball" else 0
        frequency = None if fitted.frequency is None else Frequency.parse(fitted.frequency)
        return Reader(fitted.network, fitted.features, fitted.context, len(fitted.roles.target), middle, frequency)

    def forecast_panel(self, panel: Panel, *, of_fit: bool) -> tuple[Array, Array]:
        """The middle ``[n, h, C]`` and the quantiles ``[n, h, C, Q]``, in units of the data.

        ``of_fit`` says that the series are those of ``fit``, or their beginnings; else their names tell which are.
        """
        fitted = self.fitted_
        own = dict(zip(fitted.names, fitted.scales, strict=True)) if of_fit or panel.named else {}
        reference, season = fitted.features.reference, fitted.features.season
        scales = [own.get(series.name) or scale_of(series.target, reference, season) for series in panel]
        reader = self._reader()
        found = reader.forecast(panel.series, scales, self.horizon)
        points = found[..., reader.middle]
        sizes = np.stack([scale.size for scale in scales])[:, None, :, None]
        levels = np.array(fitted.levels)
        q = found if self.loss == "pinball" else np.repeat(found, len(levels), axis=-1)
        return points, conformal.moved(q, fitted.shifts * sizes, levels, points)

    def plot(self, data: Any = None, *, column: str | None = None, series: Any = None, ax: Any = None) -> Any:
        """Draws the end of a series with its forecast and intervals.

        Parameters
        ----------
        data : as for ``predict``
        column : str or None, default None
            Which target; None: the first.
        series : name of a series, default None
            None: the first.
        ax : matplotlib axes or None, default None
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ParameterError
            If no target has the name ``column``.
        DataError
            If no series has the name ``series``; and as ``predict`` does.
        NotFittedError
            Before ``fit``.
        """
        from throughtime.series.plots import plot_forecast

        panel = self._given(data)
        chosen = [one for one in panel if series is None or one.name == series][:1]
        if not chosen:
            raise DataError(f"there is no series {series!r}; there are {known(map(str, [s.name for s in panel][:10]))}")
        targets = panel.roles.target
        if column is not None and column not in targets:
            raise ParameterError(f"column must be one of {known(targets[:10])}, got {column!r}")
        place = 0 if column is None else targets.index(column)
        only = replace(panel, series=chosen)
        points, quantiles = self.forecast_panel(only, of_fit=data is None)
        _check_finite(only, quantiles)
        return plot_forecast(only, points[0], quantiles[0], self.levels_, place, ax)


def _check_rows(panel: Panel, series: Series, name: str, values: Array) -> None:
    """Raises :class:`DataError` for a row behind the end of a series that has no value of what is known ahead."""
    for lead, value in enumerate(values, start=1):
        row = series.row_of(len(series) + lead - 1)
        if row is not None and np.isnan(value):
            times = panel.times_after(series, lead)
            when = f"{how_many(lead, 'step')} after the end" if times is None else f"at {told(times[-1])}"
            raise DataError(
                f"column {short(name)} is known ahead, but has no value {when} of {series.called} (row {row + 1}); "
                "give it one"
            )


def _check_finite(panel: Panel, quantiles: Array) -> None:
    """Raises :class:`DataError` if a forecast is no number; the middle is among the quantiles ``[n, h, C, Q]``."""
    wrong = np.argwhere(~np.isfinite(quantiles).all(axis=(1, 3)))
    if len(wrong):
        number, place = wrong[0]
        raise DataError(
            f"the forecast of column {short(panel.roles.target[place])} of {panel.series[number].called} is no number: "
            "its values are too large to compute with; leave the series out, or give others"
        )


def _columns(panel: Panel, points: Array, quantiles: Array, levels: Sequence[float]) -> dict[str, Any]:
    """Forecasts as columns of a table."""
    n, leads, _ = points.shape
    columns: dict[str, Any] = {}
    if panel.roles.series is not None:
        columns[panel.roles.series] = np.repeat(np.array([series.name for series in panel]), leads)
    if panel.times is None:
        columns["step"] = np.tile(np.arange(1, leads + 1), n)
    else:
        times = [panel.times_after(series, leads) for series in panel]
        columns[str(panel.roles.time)] = panel.times.write(np.concatenate(times))  # type: ignore[arg-type]
    for place, name in enumerate(panel.roles.target):
        columns[name] = points[..., place].reshape(-1)
        for level, tau in enumerate(levels):
            if tau != 0.5:
                columns[f"{name}_{tau:g}"] = quantiles[..., place, level].reshape(-1)
    return columns
