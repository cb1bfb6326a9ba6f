"""Learns a tag for each step of a sequence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from throughtime.cells import Cell
from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError, how_many
from throughtime.fingerprint import fingerprint
from throughtime.parameters import TAGGER
from throughtime.sequences.inputs import Read, as_list, check_apart, read
from throughtime.sequences.learner import SequenceLearner, Task
from throughtime.sequences.model_file import Fitted
from throughtime.sequences.report import Report, report, report_of_several
from throughtime.sequences.rows import Rows
from throughtime.sequences.targets import (
    NO_ANSWERS,
    Labels,
    Several,
    answers_of,
    check_same_number,
    read_labels,
    warn_of_unseen,
)
from throughtime.training import Resume


class SequenceTagger(SequenceLearner):
    """A recurrent network that gives each step of a sequence a tag.

    Sequences are lists of tokens (strings, or integers with ``tokens=True``) or of numbers, ``[T]`` or ``[T, D]`` each.
    Numbers are standardised: each of the D features over all steps. Tokens that were not seen in training count as one,
    the unknown token; ``characters=True`` tells them apart by how they are written.

    Parameters
    ----------
    tokens : bool, default False
        Integers are symbols, not numbers; sequences may hold strings as symbols too.
    vocab_size : int or None, default None
        Most different symbols, the most frequent; all others count as one. None: 8,000.
    characters : bool, default False
        The first and last one to three characters of each token, and its shape (runs of capitals, small letters
        and digits), are seen beside the token itself, so that words which were never seen can be told apart.
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
    initializer : str or Initializer, default "glorot"
        ``"uniform"``, ``"normal"``, ``"identity"``, ``"glorot"``, ``"orthogonal"``.
    dropout : float, default 0.2
        Share of each recurrent layer's outputs dropped in training.
    variational_dropout : float, default 0
        The same with one mask for all steps of a sequence.
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
        The tags, in the order of ``predict_proba``; where several may hold, their numbers.
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
        What guessing comes to that does not look at the sequence: the most frequent tag.
    hidden_size_, embedding_size_, batch_size_, seed_ : int
        What was chosen.
    engine_ : str
        What computes.

    Examples
    --------
    >>> X = [["the", "cat", "sleeps"], ["the", "dog", "barks"], ["a", "dog", "sleeps"], ["a", "cat", "barks"]]
    >>> y = [["article", "noun", "verb"]] * 4
    >>> model = SequenceTagger(hidden_size=8, max_steps=60, random_state=1).fit(X, y)
    >>> model.predict([["the", "cat", "barks"]])
    [['article', 'noun', 'verb']]
    """

    table = TAGGER
    merges = False

    def __init__(
        self,
        *,
        tokens: bool = False,
        vocab_size: int | None = None,
        characters: bool = False,
        cell: str | Cell = "lstm",
        activation: str = "tanh",
        hidden_size: int | None = None,
        num_layers: int | None = None,
        bidirectional: bool = True,
        residual: bool = False,
        embedding_size: int | None = None,
        initializer: Any = "glorot",
        dropout: float = 0.2,
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
        self.vocab_size = vocab_size
        self.characters = characters
        self.cell = cell
        self.activation = activation
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.residual = residual
        self.embedding_size = embedding_size
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

    def _read(self, X: Any, given: Mapping[str, Any]) -> Read:
        """A sequence of strings is one of tokens, whatever ``tokens`` says; a string by itself is none."""
        return read(X, tokens=given["tokens"] or _are_words(X))

    def fit(self, X: Any, y: Any, *, resume: str | os.PathLike[str] | Resume | None = None) -> Self:
        """Learns from sequences and their tags.

        Parameters
        ----------
        X : sequences
            A list of N lists of tokens; or of numbers, ``[T]`` or ``[T, D]`` each; or an array ``[N, T]`` or
            ``[N, T, D]``.
        y : sequences of the same lengths
            A tag for each step; or 0s and 1s ``[T, K]``, which of K labels hold there, any number of them at once.
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
            If X and y cannot be learned from: there are not as many tags as tokens, a sequence is empty, a value is no
            finite number, a tag is missing, there is one tag only, y is X.
        ModelFileError
            If the file to go on from cannot be used.
        NonFiniteLoss
            If the training blew up again and again. The model is usable all the same, with the last good weights.
        """
        optimizer, spent = self.check(), self._clock()
        found = self._read(X, self.get_params())
        if self.characters and isinstance(found.content, Rows):
            raise ParameterError("characters=True is for tokens, but X holds numbers")
        tags = read_tags(found, y)
        check_apart(X, y)
        before = self._go_on(resume, lambda: fingerprint([*found.parts, tags.values]))
        answers = answers_of(tags.values, None if before is None else before.fitted.answers)
        given = tags.of_same_steps(answers.ids(tags.values))
        self._learn(optimizer, spent, Task(found, given, np.ones(len(found))), lambda lesson: answers, before)
        return self

    def _keep(self, fitted: Fitted) -> None:
        super()._keep(fitted)
        assert isinstance(fitted.answers, (Labels, Several))
        self.answers_ = fitted.answers
        self.classes_ = fitted.answers.classes

    # ------------------------------------------------------------------ predicting

    def predict(self, X: Any) -> list[Any]:
        """The likeliest tags of each sequence: a list of T tags, or 0s and 1s ``[T, K]`` where several may hold.

        Raises
        ------
        DataError
            If X cannot be read, or is of another kind or size than what was learned from.
        """
        return self._tags(self._found(X))

    def predict_proba(self, X: Any) -> list[Array]:
        """The probability of each tag at each step of each sequence: ``[T, K]``, columns as in ``classes_``.

        Raises
        ------
        DataError
            As for ``predict``.
        """
        return self._by_step(self._found(X), self.answers_.probabilities)

    def score(self, X: Any, y: Any) -> float:
        """The share of steps whose tag is found; where several may hold, all of them.

        Raises
        ------
        DataError
            As for ``predict``; or if there are not as many tags as steps.
        """
        return self.report(X, y).accuracy

    def report(self, X: Any, y: Any) -> Report:
        """How well each tag is found; ``print`` it.

        Where tags are such as ``B-PER``, ``I-PER`` and ``O`` it tells how many names were found whole. A tag that was
        never seen in training counts as wrong, with a warning.

        Raises
        ------
        DataError
            As for ``score``.
        """
        found = self._found(X)
        tags = read_tags(found, y)
        predicted = self._tags(found)
        if isinstance(self.answers_, Labels) and tags.values.ndim == 1:
            warn_of_unseen(tags.values, self.classes_, "step")
            return report(predicted, [tags[row].tolist() for row in range(len(tags))], self._guessed(found))
        if isinstance(self.answers_, Several) and np.shape(tags.values[0]) == (self.answers_.count,):
            return report_of_several(np.concatenate(predicted), tags.values)
        raise DataError(f"y has tags of the shape {list(tags.values.shape)}, unlike those that were learned")

    def _tags(self, found: Read) -> list[Any]:
        decided = self._by_step(found, self.answers_.decide)
        return decided if isinstance(self.answers_, Several) else [tags.tolist() for tags in decided]

    def _by_step(self, read: Read, answer: Callable[[Array], Array]) -> list[Array]:
        """The answer to the outputs ``[T, K]`` for each sequence."""
        found = [np.zeros(0)] * len(read)

        def take(rows: Array, o: Array) -> None:
            for place, row in enumerate(rows.tolist()):
                found[row] = answer(o[: read.lengths[row], place])

        self._tell(read, take)
        return found

    def _guessed(self, found: Read) -> list[Any]:
        """The tag that each token had most often, of all steps."""
        frequent = self.fitted_.frequent
        assert frequent is not None
        return list(self.classes_[frequent.guess(found)].tolist())


def _are_words(X: Any) -> bool:
    """Whether the first sequence is of strings, or is one."""
    rows = as_list(X, "X")
    first = rows[0] if len(rows) else ()
    return isinstance(first, (str, list, tuple, np.ndarray)) and len(first) > 0 and isinstance(first[0], str)


def read_tags(found: Read, y: Any) -> Rows:
    """The tags of each step, of sequences that were read: ``[S]``, or 0s and 1s ``[S, K]``.

    Raises
    ------
    DataError
        If there are not as many, or one is no tag.
    """
    if y is None:
        raise DataError(NO_ANSWERS)
    rows = [as_list(tags, f"row {row} of y") for row, tags in enumerate(as_list(y, "y"))]
    check_same_number(found, rows)
    for row, (tags, length) in enumerate(zip(rows, found.lengths, strict=True)):
        if len(tags) != length:
            given = f"{how_many(length, 'step')} and {how_many(len(tags), 'tag')}"
            raise DataError(f"row {row} has {given}; each step needs one")
    bounds = np.cumsum([0, *found.lengths])
    if np.ndim(rows[0][0]) == 0:
        return Rows.between(read_labels([tag for tags in rows for tag in tags], bounds), bounds)
    blocks = [np.asarray(tags) for tags in rows]
    if len({block.shape[1:] for block in blocks}) > 1:
        raise DataError("y must have as many columns in every row, one for each label")
    return Rows.between(read_labels(np.concatenate(blocks), bounds), bounds)
