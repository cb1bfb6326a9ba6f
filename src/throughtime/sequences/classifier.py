"""Learns which class a sequence is of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.protocol import Array
from throughtime.fingerprint import fingerprint
from throughtime.parameters import CLASSIFIER
from throughtime.sequences.inputs import check_apart
from throughtime.sequences.learner import SequenceLearner, Task
from throughtime.sequences.model_file import Fitted
from throughtime.sequences.targets import (
    Labels,
    Several,
    answers_of,
    check_same_number,
    check_same_shape,
    read_labels,
    read_weights,
    warn_of_unseen,
    weights_of_classes,
)
from throughtime.training import Resume


class SequenceClassifier(SequenceLearner):
    """A recurrent network that tells which class a sequence is of.

    Sequences are arrays, lists of unequal length, or strings. Numbers are standardised: each of the D features over all
    steps. Equal sequences of one class are learned as one that counts as often, so that the order in which they are
    given has no influence. Symbols that were not seen in training count as one, the unknown symbol.

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
    class_weight : None, "balanced" or dict, default None
        How much each class counts, 1 where a dict does not name it; ``"balanced"``: all classes together alike.
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
    classes_ : ``[K]``
        The labels, in the order of ``predict_proba``; where several may hold, their numbers.
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
        What guessing comes to that does not look at the sequence: the most frequent class.
    hidden_size_, embedding_size_, batch_size_, seed_ : int
        What was chosen.
    engine_ : str
        What computes.

    Examples
    --------
    >>> X = ["abba", "baab", "abab", "aabb", "cdcd", "ddcc", "dccd"]
    >>> y = ["low", "low", "low", "low", "high", "high", "high"]
    >>> model = SequenceClassifier(hidden_size=8, max_steps=60, random_state=1).fit(X, y)
    >>> model.predict(["ab", "dcd"]).tolist()
    ['low', 'high']
    """

    table = CLASSIFIER

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
        class_weight: Any = None,
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
        self.class_weight = class_weight
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

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        resume: str | os.PathLike[str] | Resume | None = None,
    ) -> Self:
        """Learns from sequences and their classes.

        Parameters
        ----------
        X : sequences
            An array ``[N, T]`` of one number, or ``[N, T, D]`` of D numbers at each step, or a table of N rows; a list
            of N sequences of unequal lengths, ``[T]`` or ``[T, D]`` each; or a list, or one column, of N strings.
        y : ``[N]``, or 0s and 1s ``[N, K]``
            Labels; or which of K labels hold, any number of them at once.
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
            If a parameter makes no sense, or ``class_weight`` names a class that is not in ``y``.
        DataError
            If X, y or the weights cannot be learned from: their numbers differ, a sequence is empty, a value is no
            finite number, a label is missing, there is one class only, y is X.
        ModelFileError
            If the file to go on from cannot be used.
        NonFiniteLoss
            If the training blew up again and again. The model is usable all the same, with the last good weights.
        """
        optimizer, spent = self.check(), self._clock()
        found, labels = self._read(X, self.get_params()), read_labels(y)
        check_same_number(found, labels)
        check_apart(X, y)
        weights = read_weights(sample_weight, len(labels))
        if not weights.all():
            counted = np.flatnonzero(weights)
            found, labels, weights = found.those(counted), labels[counted], weights[counted]
        before = self._go_on(resume, lambda: fingerprint([*found.parts, labels, weights]))
        answers = answers_of(labels, None if before is None else before.fitted.answers)
        labels = answers.ids(labels)
        of_classes = weights_of_classes(self.class_weight, answers, labels, weights)
        if of_classes is not None:
            weights = weights * of_classes[labels]
        self._learn(optimizer, spent, Task(found, labels, weights, of_classes), lambda lesson: answers, before)
        return self

    def _keep(self, fitted: Fitted) -> None:
        super()._keep(fitted)
        assert isinstance(fitted.answers, (Labels, Several))
        self.answers_ = fitted.answers
        self.classes_ = fitted.answers.classes

    # ------------------------------------------------------------------ predicting

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sequence, ``[N]``; where several may hold, 0s and 1s ``[N, K]``.

        Raises
        ------
        DataError
            If X cannot be read, or is of another kind or size than what was learned from.
        """
        return self._of_each(self._found(X), self.answers_.decide)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, ``[N, K]``, columns as in ``classes_``.

        The sum of a row is 1; where several classes may hold each has a probability by itself.

        Raises
        ------
        DataError
            As for ``predict``.
        """
        return self._of_each(self._found(X), self.answers_.probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of sequences whose class is found; where several may hold, all of them.

        A label that was never seen in training counts as wrong, with a warning.

        Raises
        ------
        DataError
            As for ``predict``; or if X, y and weights differ in number.
        """
        found, labels = self.predict(X), read_labels(y)
        check_same_shape(found, labels)
        if found.ndim == 1:
            warn_of_unseen(labels, self.classes_, "row")
        right = (found == labels) if found.ndim == 1 else (found == labels).all(axis=1)
        return float(np.average(right, weights=read_weights(sample_weight, len(labels))))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_label=True)
        return tags
