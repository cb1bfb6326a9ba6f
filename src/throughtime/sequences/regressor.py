"""Learns a number, or several, of a whole sequence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.protocol import Array
from throughtime.errors import ParameterError, known, short
from throughtime.fingerprint import fingerprint
from throughtime.optimizers import Optimizer
from throughtime.parameters import REGRESSOR
from throughtime.sequences.baselines import r_squared
from throughtime.sequences.encoding import Scale
from throughtime.sequences.inputs import check_apart
from throughtime.sequences.learner import SequenceLearner, Task
from throughtime.sequences.model_file import Fitted
from throughtime.sequences.rows import Lesson
from throughtime.sequences.targets import LOSSES, Values, check_same_number, check_same_shape, read_values, read_weights
from throughtime.training import Resume


class SequenceRegressor(SequenceLearner):
    """A recurrent network that tells a number of a sequence, or several.

    It reads what :class:`~throughtime.SequenceClassifier` reads, in the same way. The numbers that it learns to tell
    are standardised too.

    Parameters
    ----------
    tokens : bool, default False
        Integers are symbols, not numbers; sequences may hold strings as symbols too.
    level : {"char", "word"}, default "char"
        What a symbol is where sequences are strings.
    vocab_size : int or None, default None
        Most different symbols, the most frequent; all others count as one. None: 8,000.
    max_length : int or None, default None
        Steps of a sequence that are read; None: all.
    truncating : {"pre", "post"}, default "pre"
        Which end of a longer sequence is left out: its beginning or its end.
    cell : str or Cell, default "lstm"
        The recurrent unit.
    activation : {"tanh", "relu", "sigmoid"}, default "tanh"
        Of the Elman cell.
    hidden_size : int or None, default None
        Units of a layer in each direction, H; None: 64.
    num_layers : int or None, default None
        Recurrent layers one on another; None: 1.
    bidirectional : bool, default True
        Reads each sequence forward and backward.
    residual : bool, default False
        Shortcuts around the layers above the first.
    embedding_size : int or None, default None
        Numbers that stand for a symbol; 0: one-hot; None: 64.
    pooling : {"last", "mean", "max"}, default "last"
        What is made of the outputs at all steps: the last one (in both directions the end of each), the mean,
        or the largest.
    initializer : str or Initializer, default "glorot"
        ``"uniform"``, ``"normal"``, ``"identity"``, ``"glorot"``, ``"orthogonal"``.
    dropout : float, default 0.2
        Share of each recurrent layer's outputs dropped in training.
    variational_dropout : float, default 0
        The same with one mask for all steps of a sequence.
    loss : {"squared", "absolute", "huber"}, default "squared"
        Of the standardised answers.
    batch_size : int or None, default None
        Sequences read side by side, N; None: a sixteenth of them, at least 4 and at most 32.
    epochs, max_steps, minutes : number or None, default None
        How long to train: one of them, or none for 40 passes over up to 1,400 sequences (at least 400 steps),
        and fewer over more: the steps grow with the square root of their number, up to 20,000. ``minutes`` are
        turned into steps after a few were timed.
    optimizer : str or Rule, default "adam"
        ``"sgd"``, ``"momentum"``, ``"adagrad"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``.
    learning_rate : float or None, default None
        None: the optimizer's own.
    schedule : str or Schedule, default "cosine"
        ``"constant"``, ``"cosine"``, ``"step"``, ``"plateau"``.
    weight_decay : float or None, default None
        Of AdamW, on weights but not biases; None: 0.01.
    clip_norm : float or None, default 5.0
        Largest norm of the whole gradient.
    clip_value : float or None, default None
        Largest element of the gradient, clipped first.
    averaging : float, default 0
        Share of the steps, the last ones, of whose weights the mean is kept.
    validation : float, default 0
        Share of the sequences, drawn at random, that is only scored.
    early_stopping : bool, default False
        Stop when validation gets no better, and keep the best weights; else the last ones are kept.
    patience : int, default 5
        Validations without a better one before an early stop.
    engine : {"auto", "compiled", "numpy"}, default "auto"
    dtype : {"float32", "float64"}, default "float32"
    random_state : int, NumPy generator or None, default None
    callbacks : sequence of Callback, default ()
    verbose : int, default 0
        0: silent; 1: says what it does, on standard error.

    Attributes
    ----------
    n_features_in_ : int
        Steps of a sequence, where all had as many, of one number each; an array of another length is refused then.
    feature_names_in_ : ``[T]``
        Names of the columns, where it learned from a table.
    network_ : Network
    history_ : History
        Loss, validation, learning rate and gradient norm, step by step.
    training_ : Training
        The run itself, after ``fit`` (not after ``load``): steps, seconds.
    validation_loss_ : float or None
        Of the weights that were kept.
    baseline_ : Guess
        What guessing comes to that does not look at the sequence: the mean.
    hidden_size_, embedding_size_, batch_size_, seed_ : int
        What was chosen.
    engine_ : str
        What computes.

    Examples
    --------
    >>> X = [[1, 0, 1], [0, 0], [1, 1, 1, 1], [0, 1], [1, 1, 0, 0, 1], [0, 0, 0, 1]]
    >>> y = [sum(x) for x in X]
    >>> model = SequenceRegressor(hidden_size=8, max_steps=200, random_state=1).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    table = REGRESSOR

    def __init__(
        self,
        *,
        tokens: bool = False,
        level: str = "char",
        vocab_size: int | None = None,
        max_length: int | None = None,
        truncating: str = "pre",
        cell: str | Cell = "lstm",
        activation: str = "tanh",
        hidden_size: int | None = None,
        num_layers: int | None = None,
        bidirectional: bool = True,
        residual: bool = False,
        embedding_size: int | None = None,
        pooling: str = "last",
        initializer: Any = "glorot",
        dropout: float = 0.2,
        variational_dropout: float = 0.0,
        loss: str = "squared",
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
        validation: float = 0.0,
        early_stopping: bool = False,
        patience: int = 5,
        engine: Any = "auto",
        dtype: str = "float32",
        random_state: Any = None,
        callbacks: Sequence[Any] = (),
        verbose: int = 0,
    ) -> None:
        self.tokens = tokens
        self.level = level
        self.vocab_size = vocab_size
        self.max_length = max_length
        self.truncating = truncating
        self.cell = cell
        self.activation = activation
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.residual = residual
        self.embedding_size = embedding_size
        self.pooling = pooling
        self.initializer = initializer
        self.dropout = dropout
        self.variational_dropout = variational_dropout
        self.loss = loss
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

    def check(self) -> Optimizer:
        if self.loss not in LOSSES:
            raise ParameterError(f"loss must be one of {known(LOSSES)}, got {short(self.loss)}")
        return super().check()

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        resume: str | os.PathLike[str] | Resume | None = None,
    ) -> Self:
        """Learns from sequences and their numbers.

        Parameters
        ----------
        X : sequences
            As for :meth:`throughtime.SequenceClassifier.fit`.
        y : ``[N]`` or ``[N, K]``
            One number of each sequence, or K.
        sample_weight : ``[N]`` or None, default None
            How much each sequence counts: 3 is the same as three times the sequence, 0 as without it.
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
            If X, y or the weights cannot be learned from: their numbers differ, a sequence is empty, a value is no
            finite number, y is X.
        ModelFileError
            If the file to go on from cannot be used.
        NonFiniteLoss
            If the training blew up again and again. The model is usable all the same, with the last good weights.
        """
        optimizer, spent = self.check(), self._clock()
        found, values = self._read(X, self.get_params()), read_values(y)
        check_same_number(found, values)
        check_apart(X, y)
        weights = read_weights(sample_weight, len(values))
        before = self._go_on(resume, lambda: fingerprint([*found.parts, values, weights]))
        flat = values.ndim == 1
        task = Task(found, values.reshape(len(values), -1), weights)
        if not weights.all():
            task = task.those(np.flatnonzero(weights))

        def answers(learned: Lesson) -> Values:
            return Values(Scale.of(learned.answers, learned.weights), self.loss, flat)

        self._learn(optimizer, spent, task, answers, before)
        return self

    def _keep(self, fitted: Fitted) -> None:
        super()._keep(fitted)
        assert isinstance(fitted.answers, Values)
        self.answers_ = fitted.answers

    # ------------------------------------------------------------------ predicting

    def predict(self, X: Any) -> Array:
        """The number of each sequence, ``[N]`` or ``[N, K]`` as ``y`` was.

        Raises
        ------
        DataError
            If X cannot be read, or is of another kind or size than what was learned from.
        """
        return self._of_each(self._found(X), self.answers_.decode)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of the variance that is explained, R2; the mean over columns where there are several.

        Raises
        ------
        DataError
            As for ``predict``; or if X, y and weights differ in number.
        """
        found, values = self.predict(X), read_values(y)
        check_same_shape(found, values)
        columns = (len(values), -1)
        return r_squared(values.reshape(columns), found.reshape(columns), read_weights(sample_weight, len(values)))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        tags.target_tags.multi_output = True
        return tags
