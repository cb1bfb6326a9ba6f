"""Learns to write from text."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from throughtime import files
from throughtime.cells import Cell
from throughtime.engine import random
from throughtime.engine.protocol import Array
from throughtime.estimator import parameters_to_json, resolve_cell
from throughtime.learner import GoingOn
from throughtime.optimizers import Optimizer
from throughtime.text import adapting
from throughtime.text.blocks import Texts
from throughtime.text.documents import Split
from throughtime.text.learning import choose_sizes, make_room, network, plan_training, scoring_streams, training_streams
from throughtime.text.lesson import MOST_REMEMBERED, Lesson, fingerprints, prepare, vocabulary_of
from throughtime.text.model_file import Fitted, pack, unpack
from throughtime.text.reading import Reading, Sources, read
from throughtime.text.trained import TrainedText
from throughtime.text.vocabularies import Vocabulary, level
from throughtime.text.witten_bell import Baseline, baseline
from throughtime.training import History, Resume
from throughtime.training.progress import Progress

FEW_STEPS = 100
"""After fewer, a bad score tells of nothing but a short training."""


class TextGenerator(TrainedText):
    """A recurrent network that learns to write, symbol by symbol, from text.

    Parameters
    ----------
    level : {"char", "byte", "word", "bpe"}, default "char"
        What a symbol is. ``"bpe"``, parts of words, needs the package tokenizers (``throughtime[bpe]``).
    vocab_size : int or None, default None
        Most different symbols of the levels ``"word"`` and ``"bpe"``. None: 8,000; for ``"bpe"`` one for each 100
        characters of text, if that is less.
    cell : str or Cell, default "lstm"
        The recurrent unit.
    activation : {"tanh", "relu", "sigmoid"}, default "tanh"
        Of the Elman cell.
    hidden_size : int or None, default None
        Units of a layer, H; None: from the amount of text, and from ``minutes`` if there are.
    num_layers : int or None, default None
        Recurrent layers one on another; None: 1, or 2 where ``minutes`` choose the hidden size and leave time for it.
    residual : bool, default False
        Shortcuts around the layers above the first.
    embedding_size : int or None, default None
        Numbers that stand for a symbol; 0: one-hot; None: 128.
    initializer : str or Initializer, default "glorot"
        ``"uniform"``, ``"normal"``, ``"identity"``, ``"glorot"``, ``"orthogonal"``.
    dropout : float or None, default None
        Share of each recurrent layer's outputs dropped in training; None: 0.04 for each pass over the
        text, at most 0.6.
    variational_dropout : float, default 0
        The same with one mask for all steps of a chunk.
    seq_len : int, default 64
        Steps of a chunk. The gradient goes back to its start; the state is carried on to the next.
    bptt_truncate : int or None, default None
        Each output's gradient goes back this many transitions; None: to the start of the chunk.
    batch_size : int or None, default None
        Rows read side by side, N; None: from the amount of text.
    epochs, max_steps, minutes : number or None, default None
        How long to train: one of them, or none to have it chosen from the amount of text. ``minutes`` choose what is
        left open so that the text is learned as well as can be in this time on this machine.
    optimizer : str or Rule, default "adam"
        ``"sgd"``, ``"momentum"``, ``"adagrad"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``.
    learning_rate : float or None, default None
        None: the optimizer's own; with ``minutes`` Adam's is less for more than 128 units.
    schedule : str or Schedule, default "cosine"
        ``"constant"``, ``"cosine"``, ``"step"``, ``"plateau"``.
    weight_decay : float or None, default None
        Of AdamW, on weights but not biases; None: 0.01.
    clip_norm : float or None, default 5.0
        Largest norm of the whole gradient.
    clip_value : float or None, default None
        Largest element of the gradient, clipped first.
    averaging : float, default 0
        Share of the steps, the last ones, of whose weights the mean is kept (Polyak and Juditsky, 1992).
    validation : float, default 0.1
        Share of the text that is only scored: its end, or of twenty documents and more whole ones drawn by the seed.
    early_stopping : bool, default False
        Stop when validation gets no better, and keep the best weights; else the last ones are kept.
    patience : int, default 5
        Validations without a better one before an early stop.
    warm_start : bool, default False
        ``fit`` goes on with what was learned before: the weights stay, the vocabulary grows by the new characters or
        bytes, and the learning rate is, if none is given, a fifth of the optimizer's own.
    engine : {"auto", "compiled", "numpy"}, default "auto"
    dtype : {"float32", "float64"}, default "float32"
    random_state : int, NumPy generator or None, default None
    callbacks : sequence of Callback, default ()
    verbose : int, default 1
        0: silent; 1: says what it does, on standard error.

    Attributes
    ----------
    network_ : Network
    vocabulary_ : Vocabulary
    classes_ : list
        The symbols by id, in the order of ``predict_proba``.
    history_ : History
        Loss, smoothed loss, validation, learning rate and gradient norm, step by step.
    training_ : Training
        The run itself, after ``fit`` (not after ``load``): steps, symbols, seconds.
    samples_ : list of (int, str)
        The samples that were shown, and after how many steps, after ``fit``; none if ``verbose=0``.
    hidden_size_, num_layers_, embedding_size_, seed_ : int
        What was chosen.
    dropout_ : float
        What was chosen.
    batch_size_ : int
        What was chosen, after ``fit``.
    symbols_ : int
        Length of the text, after ``fit``.
    validation_loss_ : float or None
        Of the weights that were kept, in nats per symbol.
    baseline_ : Baseline or None
        Order and loss of the n-gram model (see :class:`~throughtime.text.NGram`) that expects the validation part best,
        counted on the same text.
    engine_ : str
        What computes.

    Examples
    --------
    >>> model = TextGenerator(hidden_size=16, max_steps=60, random_state=1, verbose=0)
    >>> _ = model.fit("to be or not to be, that is the question. " * 20)
    >>> len(model.generate(10, "to be"))
    10
    """

    def __init__(
        self,
        *,
        level: str = "char",
        vocab_size: int | None = None,
        cell: str | Cell = "lstm",
        activation: str = "tanh",
        hidden_size: int | None = None,
        num_layers: int | None = None,
        residual: bool = False,
        embedding_size: int | None = None,
        initializer: Any = "glorot",
        dropout: float | None = None,
        variational_dropout: float = 0.0,
        seq_len: int = 64,
        bptt_truncate: int | None = None,
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
        validation: float = 0.1,
        early_stopping: bool = False,
        patience: int = 5,
        warm_start: bool = False,
        engine: Any = "auto",
        dtype: str = "float32",
        random_state: Any = None,
        callbacks: Sequence[Any] = (),
        verbose: int = 1,
    ) -> None:
        self.level = level
        self.vocab_size = vocab_size
        self.cell = cell
        self.activation = activation
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.residual = residual
        self.embedding_size = embedding_size
        self.initializer = initializer
        self.dropout = dropout
        self.variational_dropout = variational_dropout
        self.seq_len = seq_len
        self.bptt_truncate = bptt_truncate
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
        self.warm_start = warm_start
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    # ------------------------------------------------------------------ learning

    def fit(
        self,
        text: Sources,
        y: Any = None,
        *,
        encoding: str = "utf-8",
        split: Split = None,
        column: str | None = None,
        resume: str | os.PathLike[str] | Resume | None = None,
    ) -> Self:
        """Learns from text.

        Parameters
        ----------
        text : str, bytes, pathlib.Path, or a list of them
            A string is the text itself; a path is a file, or a folder of text files. Each element of a list, and each
            file, is a document: the state starts afresh there. Where there are several, their ends are learned too.
        y : ignored
        encoding : str, default "utf-8"
            Of files.
        split : {"lines", "sentences"} or None, default None
            Each line or sentence is a document: names, titles, molecules, messages.
        column : str or None, default None
            The text is a table in CSV with names in its first line; each cell of this column is a document.
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
            If a file cannot be read, or the text is too short to learn from; with ``warm_start``, if most of its
            symbols are new to the model; with ``resume``, if it is another text.
        ModelFileError
            If the file to go on from cannot be used.
        NonFiniteLoss
            If the training blew up again and again. The model is usable all the same, with the last good weights.
        """
        optimizer = self.check()
        spent = self._clock()
        reading = read(text, level=self.level, encoding=encoding, split=split, column=column, verbose=self.verbose)
        self._tell_left_out(reading, encoding)
        before = self._go_on(resume, lambda: reading.fingerprint)
        warm = self._warm()
        if before is None:
            lesson = self._begin_with(optimizer, reading, spent, warm, ends=split is not None or column is not None)
        else:
            lesson = self._go_on_with(before, reading)
        self.symbols_ = lesson.symbols
        share = 1.0 if warm is None else adapting.LEARNING_RATE
        with self._callbacks_told():
            self._train(optimizer, lesson, spent, before, share_of_rate=share)
            self._tell_fitted()
        return self

    def _begin_with(
        self,
        optimizer: Optimizer,
        reading: Reading,
        spent: Callable[[], float],
        before: Fitted | None,
        *,
        ends: bool,
    ) -> Lesson:
        """Makes the network, from the one ``before`` if there is one, and what is to be learned."""
        seed = random.seed_of(self.random_state)
        ends = ends or len(reading.texts) > 1
        if before is not None:
            adapting.check_same(self, before)
            wider = adapting.widen(before.vocabulary, reading.texts, ends)
            self._tell_added(wider.added)
            vocabulary = wider.vocabulary
        else:
            kind = level(self.level)
            vocabulary = vocabulary_of(kind, reading.texts, vocab_size=self.vocab_size, ends=ends)
        lesson = self._lesson(vocabulary, reading, seed)
        cell, engine = resolve_cell(self.cell, self.activation), self._engine()
        if before is not None:
            make_room(self, cell, optimizer, lesson, before.sizes)
            net, sizes = adapting.go_on(self, before, wider, engine, seed)
        else:
            sizes = choose_sizes(self, cell, optimizer, lesson, engine, spent)
            drawn = {"initializer": self.initializer, "random_state": seed}
            net = network(self, cell, len(vocabulary), sizes, engine=engine, **drawn)
        self._keep(
            Fitted(
                network=net,
                cell=cell,
                parameters=parameters_to_json(self.get_params()),
                vocabulary=vocabulary,
                history=History(len(vocabulary)),
                seed=seed,
                sizes=sizes,
                start=_start(lesson),
                baseline=self._counted(lesson, seed),
                documents=_documents(vocabulary, reading.texts, before),
            )
        )
        return lesson

    def _go_on_with(self, before: GoingOn, reading: Reading) -> Lesson:
        """Takes what a model file has of its training, and the text that it goes on with."""
        fitted: Fitted = before.fitted
        lesson = self._lesson(fitted.vocabulary, reading, fitted.seed)
        if before.asked.new_data:
            documents = _documents(fitted.vocabulary, reading.texts, fitted)
            fitted = fitted._replace(baseline=self._counted(lesson, fitted.seed), documents=documents)
        self._keep(fitted)
        return lesson

    def _warm(self) -> Fitted | None:
        """What is gone on with where ``warm_start`` asks for it."""
        return self.fitted_ if self.warm_start and hasattr(self, "fitted_") else None

    def _lesson(self, vocabulary: Vocabulary, reading: Reading, seed: int) -> Lesson:
        return prepare(vocabulary, reading.texts, validation=self.validation, seq_len=self.seq_len, seed=seed)

    def _counted(self, lesson: Lesson, seed: int) -> Baseline | None:
        if not self.validation:
            return None
        draws = seed if lesson.drawn else None
        return baseline(lesson.learned, lesson.held_out, len(lesson.vocabulary), seed=draws)

    def _tell_left_out(self, reading: Reading, encoding: str) -> None:
        if reading.left_out:
            example = str(reading.left_out[0])
            self._say(
                f"files left out: {len(reading.left_out)} that are empty or no {encoding} text, such as {example!r}"
            )
        if reading.empty:
            self._say(f"documents left out: {reading.empty:,} that are empty")

    def _tell_added(self, symbols: Sequence[object]) -> None:
        if symbols:
            examples = ", ".join(map(repr, symbols[:5])) + (", ..." if len(symbols) > 5 else "")
            self._say(f"the vocabulary grows by {len(symbols)} symbols that the model did not know: {examples}")

    def check(self) -> Optimizer:
        level(self.level)
        return super().check()

    def _keep(self, fitted: Fitted) -> None:
        self.fitted_ = fitted
        self.network_ = fitted.network
        self.vocabulary_ = fitted.vocabulary
        self.classes_ = fitted.vocabulary.symbols
        self.history_ = fitted.history
        self.seed_ = fitted.seed
        self.hidden_size_ = fitted.sizes.hidden_size
        self.num_layers_ = fitted.sizes.num_layers
        self.embedding_size_ = fitted.sizes.embedding_size
        self.dropout_ = fitted.sizes.dropout
        self.baseline_ = fitted.baseline
        self.engine_ = fitted.network.engine.name

    def _train(
        self,
        optimizer: Optimizer,
        lesson: Lesson,
        spent: Callable[[], float],
        before: GoingOn | None,
        *,
        share_of_rate: float,
    ) -> None:
        network = self.network_
        streams = training_streams(self, lesson.learned)
        self.batch_size_ = streams.rows
        if before is None:
            plan, said = plan_training(
                self, network, optimizer, streams, lesson, self.seed_, spent, share_of_rate=share_of_rate
            )
        else:
            before, said = before.plan(streams.steps_per_epoch)
            plan = before.checkpoint.plan
        self._say(said)
        progress = Progress(lambda: self.generate(200, temperature=0.8, random_state=self.seed_).strip("\n"))
        self.samples_ = progress.samples
        held_out = scoring_streams(lesson.scored) if self.validation else None
        self._run(optimizer, plan, streams, held_out, progress, before)
        self._judge()

    def _judge(self) -> None:
        """Says how the validation loss compares with what counting and guessing come to."""
        loss, counted = self.validation_loss_, self.baseline_
        if loss is None or counted is None:
            return
        chance = math.log(len(self.vocabulary_))
        self._say(f"{loss:.3f} nats per symbol; {counted.in_words()}")
        if loss > chance:
            why = (
                "the training was too short"
                if len(self.history_.loss) < FEW_STEPS
                else "the learning rate is too high, or the text is learned by heart (early_stopping, dropout, or a "
                "smaller hidden_size help)"
            )
            self._say(f"the validation loss is above {chance:.2f} nats, which guessing at random costs: {why}")
        elif loss > counted.loss:
            self._say(
                "that is no better than counting: the text is too small for a network, the training too short, or the "
                "text repeats itself"
            )

    # ------------------------------------------------------------------ files

    def _pack(self) -> tuple[files.Tensors, dict[str, Any]]:
        return pack(self)

    @classmethod
    def _unpack(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
    ) -> tuple[Self, Any]:
        return unpack(cls, tensors, metadata, cells, engine)


def _start(lesson: Lesson) -> int:
    """What generation begins after where no prime is given: a line break if there is one, else the first symbol."""
    vocabulary = lesson.vocabulary
    line_breaks = vocabulary.places_of("\n")
    return line_breaks[0] if line_breaks else int(lesson.learned.ids[0])


def _documents(vocabulary: Vocabulary, texts: Texts, before: Fitted | None) -> Array | None:
    """What a model remembers of the documents that it was given: one number for each.

    None if there are none or too many, also if there were too many before.
    """
    earlier = None if before is None else before.documents
    forgotten = before is not None and before.vocabulary.ends and earlier is None
    if forgotten or not vocabulary.ends or len(texts) + (0 if earlier is None else len(earlier)) > MOST_REMEMBERED:
        return None
    found = fingerprints(vocabulary, texts)
    return np.unique(found if earlier is None else np.append(found, earlier))
