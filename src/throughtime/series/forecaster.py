"""Forecasts the next values of one or many series."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from throughtime import files
from throughtime.cells import Cell
from throughtime.engine import random
from throughtime.errors import DataError, ParameterError, how_many, known, short
from throughtime.estimator import parameters_to_json, resolve_cell
from throughtime.fingerprint import fingerprint
from throughtime.learner import GoingOn, make_plan
from throughtime.optimizers import Optimizer
from throughtime.parameters import FORECASTER, Parameter
from throughtime.series import conformal, model_file
from throughtime.series.backtest import Backtest, backtest
from throughtime.series.features import REFERENCES
from throughtime.series.lesson import CALIBRATED, CALIBRATED_STEP_BY_STEP, Lesson, prepare
from throughtime.series.model_file import LOSSES, Fitted, Sizes, levels_of, make_network, unit_of
from throughtime.series.panel import Panel, are
from throughtime.series.tables import Names, columns_of, names_of, panel_of_arrays, panel_of_columns, roles_of
from throughtime.series.trained import TrainedForecaster, check_no_labels
from throughtime.series.windows import Windows
from throughtime.training import Batches, History, Resume
from throughtime.training.progress import Progress, clock

STRATEGIES = ("direct", "recursive")
HIDDEN_SIZE, BATCH_SIZE, MANY, LEARNING_RATE = 64, 32, 2000, 0.003
FEWEST_STEPS, PASSES, MOST_STEPS = 300, 10, 3000
DROPOUT_PER_PASS, MOST_DROPOUT = 0.01, 0.3


class Forecaster(TrainedForecaster):
    """A recurrent network that forecasts the next values of one or many series.

    One network learns all series and all targets together. Each series is seen in its own scale, and what is forecast
    is how it departs from a reference that needs no network (see ``reference``).

    Parameters
    ----------
    horizon : int, default 1
        How many steps ahead are forecast, h.
    target : str or list of str, default None
        Columns that are forecast, together. None: all columns of numbers without another role.
    past : str or list of str, default None
        Columns that help and are known up to now, such as a measured wind.
    future : str or list of str, default None
        Columns that help and are known ahead, such as a price that was announced. For a forecast they are given for the
        horizon, in rows without a target.
    static : str or list of str, default None
        Columns that do not change within a series: numbers, or categories.
    time : str or None, default None
        Column of dates (or integers), in order; None: the index of a pandas frame, if it holds dates, else none. Dates
        with a time zone are taken as its clocks show them where a step is a day or more, else in UTC.
    series : str or None, default None
        Column that tells series apart; None: there is one.
    frequency : str or None, default None
        Such as ``"D"``, ``"15min"``, ``"B"`` (Monday to Friday), ``"M"``: then times that are not there count as
        missing values. None: found out.
    season : int or None, default None
        Steps of a season. None: from the frequency, a year of months (12), quarters (4) or weeks (52), a week of days
        (7; of business days 5), a day of hours (24), minutes (1,440; of ``"15min"`` 96) or seconds (86,400), if a
        series has two of it; else, and without times, 1.
    calendar : bool, default True
        Whether the network is told hour, weekday, day and month, where there are dates.
    context : int or None, default None
        How many steps are read for a forecast. None: four seasons, three horizons, or 48, whichever is most.
    reference : {"auto", "mean", "last", "season", "profile", "recent"}, default "auto"
        The forecast that the network's departs from: the mean; the last value; the value a season ago; the mean of all
        values at this place of the season; the mean of the last season, and by how much this place is off it on
        average.
        ``"auto"``: the one with the smallest mean absolute error on the part that is learned.
    strategy : {"direct", "recursive"}, default "direct"
        All h steps at once, or one step, again and again.
    loss : {"pinball", "squared", "absolute"}, default "pinball"
        What is learned: quantiles, the mean, or the median.
    quantiles : sequence of float, default (0.1, 0.5, 0.9)
        Levels between 0 and 1 that are forecast besides the middle.
    cell : str or Cell, default "lstm"
        The recurrent unit.
    activation : {"tanh", "relu", "sigmoid"}, default "tanh"
        Of the Elman cell.
    hidden_size : int or None, default None
        Units of a layer, H; None: 64.
    num_layers : int, default 1
        Recurrent layers one on another.
    residual : bool, default False
        Shortcuts around the layers above the first.
    initializer : str or Initializer, default "glorot"
        ``"uniform"``, ``"normal"``, ``"identity"``, ``"glorot"``, ``"orthogonal"``.
    dropout : float or None, default None
        Share of each recurrent layer's outputs dropped in training; None: 0.01 for each pass over the data, at most
        0.3.
    variational_dropout : float, default 0
        The same with one mask for all steps of a window.
    batch_size : int or None, default None
        Windows read side by side, N. None: 32, where there are more than 2,000 windows 64.
    epochs, max_steps : int or None, default None
        Passes over the data, or training steps. Without either, and without ``minutes``: ten passes, but at least 300
        and at most 3,000 steps.
    minutes : float or None, default None
        Time to train, turned into steps after timing the first.
    optimizer : str or Rule, default "adam"
        ``"sgd"``, ``"momentum"``, ``"adagrad"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``.
    learning_rate : float or None, default None
        Step size; None: 0.003 for Adam, else the optimizer's own.
    schedule : str or Schedule, default "cosine"
        Of the learning rate: ``"constant"``, ``"cosine"``, ``"step"``, ``"plateau"``.
    weight_decay : float or None, default None
        Of weights, not biases (``"adamw"`` only).
    clip_norm : float or None, default 5
        Largest norm of the whole gradient.
    clip_value : float or None, default None
        Largest element of the gradient.
    averaging : float, default 0
        Share of the steps, the last ones, of whose weights the mean is kept.
    validation : float, default 0.2
        Share of each series, its end and at least the horizon, that is not learned: it scores the network, and
        calibrates the intervals. 0: none.
    early_stopping : bool, default False
        Stop when validation gets no better, and keep the best weights.
    patience : int, default 5
        Validations without a better one before an early stop.
    engine : {"auto", "compiled", "numpy"}, default "auto"
        What computes.
    dtype : {"float32", "float64"}, default "float32"
        Of the network; series are float64.
    random_state : int or None, default None
        Seed; None: another one each time.
    callbacks : sequence of Callback, default ()
        Objects that listen to the training.
    verbose : int, default 1
        0: silent; 1: says what it does, on standard error.

    Attributes
    ----------
    network_ : Network
    levels_ : tuple of float
        The quantiles, with 0.5 among them.
    season_, context_ : int
        What was chosen.
    reference_ : str
        What was chosen.
    coverage_ : float or None
        The share of held-out values between the lowest and the highest quantile, where the earlier half of each series'
        held-out windows calibrated the intervals and the later one was counted, and the other way round; where the
        halves meet, windows overlap. None: too little is held out, or the quantiles are not on both sides of 1/2.
    history_ : History
    training_ : Training
        The run itself, after ``fit`` (not after ``load``).
    validation_loss_ : float or None
        Of the weights that were kept.
    engine_ : str
        What computes.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(np.arange(200) / 5)
    >>> model = Forecaster(horizon=3, hidden_size=16, max_steps=60, random_state=1, verbose=0).fit(wave)
    >>> model.predict().shape
    (3,)
    """

    table: ClassVar[Mapping[str, Parameter]] = FORECASTER

    def __init__(
        self,
        horizon: int = 1,
        *,
        target: Names = None,
        past: Names = None,
        future: Names = None,
        static: Names = None,
        time: str | None = None,
        series: str | None = None,
        frequency: str | None = None,
        season: int | None = None,
        calendar: bool = True,
        context: int | None = None,
        reference: str = "auto",
        strategy: str = "direct",
        loss: str = "pinball",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        cell: str | Cell = "lstm",
        activation: str = "tanh",
        hidden_size: int | None = None,
        num_layers: int = 1,
        residual: bool = False,
        initializer: Any = "glorot",
        dropout: float | None = None,
        variational_dropout: float = 0.0,
        batch_size: int | None = None,
        epochs: int | None = None,
        max_steps: int | None = None,
        minutes: float | None = None,
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        schedule: Any = "cosine",
        weight_decay: float | None = None,
        clip_norm: float | None = 5.0,
        clip_value: float | None = None,
        averaging: float = 0.0,
        validation: float = 0.2,
        early_stopping: bool = False,
        patience: int = 5,
        engine: Any = "auto",
        dtype: str = "float32",
        random_state: Any = None,
        callbacks: Sequence[Any] = (),
        verbose: int = 1,
    ) -> None:
        self.horizon = horizon
        self.target = target
        self.past = past
        self.future = future
        self.static = static
        self.time = time
        self.series = series
        self.frequency = frequency
        self.season = season
        self.calendar = calendar
        self.context = context
        self.reference = reference
        self.strategy = strategy
        self.loss = loss
        self.quantiles = quantiles
        self.cell = cell
        self.activation = activation
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.residual = residual
        self.initializer = initializer
        self.dropout = dropout
        self.variational_dropout = variational_dropout
        self.batch_size = batch_size
        self.epochs = epochs
        self.max_steps = max_steps
        self.minutes = minutes
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.averaging = averaging
        self.validation = validation
        self.early_stopping = early_stopping
        self.patience = patience
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    # ------------------------------------------------------------------ learning

    def fit(self, data: Any, y: Any = None, *, resume: str | os.PathLike[str] | Resume | None = None) -> Self:
        """Learns from series.

        Parameters
        ----------
        data : data frame, mapping of columns, or arrays
            A frame of pandas, polars or another library that narwhals knows, or a column of one with a name or an
            index of dates; an array ``[T]`` or ``[T, C]`` is one series with C targets, ``[N, T, C]`` or a list of such
            arrays are several. NaN stands for a missing value.
        y : None
            There is no second argument: what is forecast is among the data (``target``).
        resume : path of a model file, Resume or None, default None
            Goes on with the training in this file, which a :class:`~throughtime.training.ModelCheckpoint` wrote, to the
            very model that it would have come to.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter makes no sense.
        DataError
            If a column does not exist or holds what it should not, times are not regular, a series is too short, or
            nothing ever changes.
        DataTypeError
            If there is a second argument, or the data are a lazy frame, a list of tables, or indexed by periods.
        ModelFileError
            If the file to go on from cannot be used.
        NonFiniteLoss
            If the training blew up again and again. The model is usable all the same, with the last good weights.
        """
        self.check()
        check_no_labels(y)
        return self.fit_panel(self.read(data), resume)

    def fit_panel(self, panel: Panel, resume: str | os.PathLike[str] | Resume | None = None) -> Self:
        """Learns from series that were read.

        Parameters
        ----------
        panel : Panel
        resume : as :meth:`fit` takes it

        Returns
        -------
        self

        Raises
        ------
        ParameterError, DataError, ModelFileError, NonFiniteLoss
            As :meth:`fit` does.
        """
        optimizer = self.check()
        spent = self._clock()
        before = self._go_on(resume, lambda: fingerprint(panel.parts))
        if before is not None and panel.roles != before.fitted.roles:
            raise DataError(f"the columns must be those of {str(before.asked.path)!r}, and in their order")
        frequency = panel.frequency.code if panel.frequency else None
        if before is not None and frequency != before.fitted.frequency:
            raise DataError(f"the steps are of {frequency}, and those of the model are of {before.fitted.frequency}")
        lesson = prepare(self, panel, self._say, None if before is None else before.fitted)
        self._tell_columns(panel)
        outputs = len(levels_of(self)) if self.loss == "pinball" else 1
        windows = lesson.learned(outputs)
        if windows is None:
            raise DataError("no step of the part that is learned has values both before and after it")
        batches = Batches(windows.lengths, self._batch_size(windows), windows.batch)
        steps = self._steps(batches.steps_per_epoch)
        held_out = self._held_out(lesson, outputs)
        if before is None:
            self._begin_with(optimizer, lesson, batches, held_out, steps, outputs)
        else:
            names = [series.name for series in panel]
            self._keep(before.fitted._replace(names=names, scales=lesson.scales))
        self._panel = panel
        with self._callbacks_told():
            self._train(optimizer, lesson, batches, held_out, steps, spent, before)
            self._calibrate(lesson)
            self._tell_fitted()
        return self

    def _held_out(self, lesson: Lesson, outputs: int) -> Batches | None:
        """What is scored; None where there is no validation part, or no series is long enough for one."""
        windows = lesson.held_out(outputs) if self.validation else None
        return None if windows is None else Batches(windows.lengths, 64, windows.batch)

    def _begin_with(
        self,
        optimizer: Optimizer,
        lesson: Lesson,
        batches: Batches,
        held_out: Batches | None,
        steps: int,
        outputs: int,
    ) -> None:
        """Makes the network."""
        panel, levels, seed = lesson.panel, levels_of(self), random.seed_of(self.random_state)
        cell = resolve_cell(self.cell, self.activation)
        sizes = Sizes(int(self.hidden_size or HIDDEN_SIZE), self._dropout(steps / batches.steps_per_epoch), outputs)
        layers = model_file.layers(self, cell, sizes, lesson.features, panel.roles)
        self._make_room(layers, model_file.loss_of(self), optimizer, batches, held_out)
        drawn = {"initializer": self.initializer, "random_state": seed}
        network = make_network(self, cell, sizes, lesson.features, panel.roles, engine=self._engine(), **drawn)
        self._keep(
            Fitted(
                network=network,
                cell=cell,
                parameters=parameters_to_json(self.get_params()),
                roles=panel.roles,
                frequency=panel.frequency.code if panel.frequency else None,
                features=lesson.features,
                context=lesson.context,
                sizes=sizes,
                levels=levels,
                shifts=np.zeros((self.horizon, len(panel.roles.target), len(levels))),
                coverage=None,
                names=[series.name for series in panel],
                scales=lesson.scales,
                history=History(None, unit=unit_of(self)),
                seed=seed,
            )
        )

    def check(self) -> Optimizer:
        for name, allowed in (("reference", ("auto", *REFERENCES)), ("strategy", STRATEGIES), ("loss", LOSSES)):
            if getattr(self, name) not in allowed:
                raise ParameterError(f"{name} must be one of {known(allowed)}, got {getattr(self, name)!r}")
        for name in ("target", "past", "future", "static"):
            names_of(getattr(self, name), name)
        levels = np.atleast_1d(np.asarray(self.quantiles))
        if levels.dtype.kind != "f" or levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all():
            raise ParameterError(
                f"quantiles must be numbers between 0 and 1, such as (0.1, 0.9), got {self.quantiles!r}"
            )
        return super().check()

    def read(self, data: Any) -> Panel:
        """What ``fit`` learns from data.

        Parameters
        ----------
        data : as for :meth:`fit`

        Returns
        -------
        Panel

        Raises
        ------
        ParameterError, DataError
            As :meth:`fit` does for data that it would not take.
        """
        table = columns_of(data)
        time = self.time or (None if table is None else table.index)
        if self.frequency is not None and time is None:
            raise ParameterError(
                "frequency needs the column of times (time); where there is none, give season, such as season=12"
            )
        if table is None:
            named = [name for name in ("target", "past", "future", "static", "time", "series") if getattr(self, name)]
            if named:
                raise DataError(
                    f"{named[0]}={getattr(self, named[0])!r} names a column, but arrays have no names; give a table"
                )
            return panel_of_arrays(data)
        roles = roles_of(
            table.columns,
            target=self.target,
            past=self.past,
            future=self.future,
            static=self.static,
            time=time,
            series=self.series,
        )
        return panel_of_columns(table, roles, self.frequency, gaps=self.frequency is not None)

    def _tell_columns(self, panel: Panel) -> None:
        """Says which columns of a table are forecast, where that was left open, and which are not used."""
        roles, said = panel.roles, []
        if self.target is None and (len(roles.target) > 1 or panel.unused):
            said.append(
                f"no target is named (target, --target): {known(roles.target[:10])} {are(len(roles.target))} forecast"
            )
        if panel.unused:
            named = [f"{short(name)} ({holds})" for name, holds in panel.unused.items()]
            said.append(f"not used: {', '.join(named[:10])}{_asked(panel)}")
        if said:
            self._say("; ".join(said))

    def _batch_size(self, windows: Windows) -> int:
        return int(self.batch_size or BATCH_SIZE * (1 if len(windows.places) <= MANY else 2))

    def _steps(self, steps_per_epoch: int) -> int:
        if self.max_steps or self.epochs:
            return int(self.max_steps or self.epochs * steps_per_epoch)  # type: ignore[operator]
        return min(max(PASSES * steps_per_epoch, FEWEST_STEPS), MOST_STEPS)

    def _dropout(self, passes: float) -> float:
        own = min(MOST_DROPOUT, round(DROPOUT_PER_PASS * passes, 2))
        return float(own if self.dropout is None else self.dropout)

    def _keep(self, fitted: Fitted) -> None:
        self.fitted_ = fitted
        self.network_ = fitted.network
        self.levels_ = fitted.levels
        self.context_ = fitted.context
        self.season_ = fitted.features.season
        self.reference_ = fitted.features.reference
        self.coverage_ = fitted.coverage
        self.history_ = fitted.history
        self.seed_ = fitted.seed
        self.engine_ = fitted.network.engine.name

    def _train(
        self,
        optimizer: Optimizer,
        lesson: Lesson,
        batches: Batches,
        held_out: Batches | None,
        steps: int,
        spent: Callable[[], float],
        before: GoingOn | None,
    ) -> None:
        network, panel = self.network_, lesson.panel
        if before is None:
            rate = LEARNING_RATE if optimizer.rule.name in ("adam", "adamw") else optimizer.rule.learning_rate
            plan, seconds = make_plan(
                self, network, optimizer, batches, held_out, spent, steps=steps, seed=self.seed_, learning_rate=rate
            )
            said = (
                f"{network.body.describe()}: {sum(w.size for w in network.parameters.values()):,} parameters\n"
                f"{len(panel):,} series of {how_many(len(panel.roles.target), 'column')}, "
                f"{how_many(panel.steps, 'step')}; season {self.season_}, reference {self.reference_}, reads the "
                f"last {how_many(self.context_, 'step')}\n"
                f"{how_many(plan.max_steps, 'step')} of {how_many(batches.rows, 'window')} "
                f"({plan.max_steps / batches.steps_per_epoch:,.1f} epochs), about {clock(seconds)} on the "
                f"{network.engine.name} engine"
            )
        else:
            before, said = before.plan(batches.steps_per_epoch)
            plan = before.checkpoint.plan
        self._say(said)
        if self.validation and held_out is None:
            self._say("no series is long enough for a part to be held out: the intervals are not calibrated")
        self._run(optimizer, plan, batches, held_out, Progress(), before)

    def _calibrate(self, lesson: Lesson) -> None:
        """Moves the quantiles to where they hold on the held-out windows, and counts how often they do."""
        direct = self.strategy == "direct"
        windows = lesson.held_out(1, CALIBRATED if direct else CALIBRATED_STEP_BY_STEP) if self.validation else None
        if windows is None:
            return
        panel, scales = lesson.panel, lesson.scales
        numbers, ends = windows.places[:, 0], windows.places[:, 2]
        chosen = [scales[number] for number in numbers]
        sizes = np.stack([scale.size for scale in chosen])[:, None]
        if direct:
            scaled = self._reader().outputs(windows)
            references = np.stack(
                [lesson.prepared[n].reference_at(end - 1) for n, end in zip(numbers, ends, strict=True)]
            )
        else:
            beginnings = [panel.series[n].first(end) for n, end in zip(numbers, ends, strict=True)]
            scaled = self._reader().forecast(beginnings, chosen, self.horizon) / sizes[..., None]
            references = np.zeros(scaled.shape[:3])
        truth = np.full(scaled.shape[:3], np.nan)
        for row, (n, end) in enumerate(zip(numbers, ends, strict=True)):
            there = panel.series[n].target[end : end + self.horizon]
            truth[row, : len(there)] = there
        off = (truth - references) / sizes
        levels = np.array(self.levels_)
        q = scaled if self.loss == "pinball" else np.repeat(scaled, len(levels), axis=-1)
        coverage = conformal.measured(q, off, levels, conformal.later_half(numbers))
        self._keep(self.fitted_._replace(shifts=conformal.shifts(q, off, levels), coverage=coverage))
        said = f"{how_many(len(off), 'held-out window')} calibrated the quantiles"
        if coverage is not None:
            low, high = levels[0], levels[-1]
            said += (
                f": from {low:g} to {high:g}, which promises {high - low:.0%}, there are {coverage:.1%} of the values "
                "where the earlier half of the windows calibrates the later one, and the other way round"
            )
        self._say(said)

    def backtest(self, data: Any = None, *, folds: int = 5, step: int | None = None, refit: bool = True) -> Backtest:
        """Forecasts the past from what came before it.

        Parameters
        ----------
        data : as for ``fit``, default None
            None: those of ``fit``.
        folds : int, default 5
            How many forecasts of each series there are; the last one ends where the series does.
        step : int or None, default None
            How many steps lie between two forecasts; None: the horizon.
        refit : bool, default True
            Whether a network is trained anew for each fold, on what came before it. With False this one is judged,
            which knows more than it would have then.

        Returns
        -------
        Backtest

        Raises
        ------
        ParameterError
            If ``folds`` or ``step`` is no such number.
        DataError
            If a series is too short for so many folds, and as for ``fit``.
        NotFittedError
            Before ``fit``, unless there are data and ``refit``.

        Examples
        --------
        >>> walk = np.cumsum(np.random.default_rng(1).normal(size=200))
        >>> model = Forecaster(3, hidden_size=4, max_steps=20, random_state=1, verbose=0)
        >>> found = model.backtest(walk, folds=2)
        >>> len(found.folds), found.forecasts["naive"].point.shape
        (2, (2, 3, 1))
        """
        for name, value in (("folds", folds), ("step", step)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise ParameterError(f"{name} must be an integer of at least 1, got {value!r}")
        self.check()
        panel = self.read(data) if refit and data is not None else self._given(data, ahead=False)
        return backtest(self, panel, folds=folds, step=int(step or self.horizon), refit=refit, of_fit=data is None)

    # ------------------------------------------------------------------ files

    def _pack(self) -> tuple[files.Tensors, dict[str, Any]]:
        return model_file.pack(self.fitted_)

    @classmethod
    def _unpack(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
    ) -> tuple[Self, Any]:
        return model_file.unpack(cls, tensors, metadata, cells, engine)


def _asked(panel: Panel) -> str:
    """Which roles columns without one may have been meant for, as a question."""
    meant = []
    for role, holds in (("time", "dates"), ("series", "text")):
        found = next((name for name, held in panel.unused.items() if held == holds), None)
        if found is not None and getattr(panel.roles, role) is None:
            meant.append(f"{role}={short(found)} (--{role})")
    return f"; is it {', '.join(meant)}?" if meant else ""
