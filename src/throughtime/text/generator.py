"""Learns to write from text."""

from __future__ import annotations

import codecs
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from throughtime import files, losses
from throughtime.cells import Cell
from throughtime.engine import make as make_engine
from throughtime.engine import random
from throughtime.engine.protocol import Array, NetworkState
from throughtime.errors import DataError, ParameterError
from throughtime.estimator import Estimator, parameters_to_json, resolve_cell
from throughtime.initializers import get as get_initializer
from throughtime.optimizers import Optimizer, schedules
from throughtime.text.learning import (
    Lesson,
    choose_sizes,
    make_plan,
    network,
    prepare,
    scoring_streams,
    training_streams,
)
from throughtime.text.model_file import Fitted, pack, unpack
from throughtime.text.reading import Sources, read
from throughtime.text.sampling import sampling
from throughtime.text.vocabulary import Bytes, Unknown, level
from throughtime.training import Callback, Corpus, History, Training, mean_loss
from throughtime.training.progress import Progress, say


@dataclass(frozen=True)
class Evaluation:
    """How well a text was expected."""

    loss: float
    """Nats per symbol."""
    symbols: int
    """How many were counted: all but the first of each document."""

    @property
    def bits_per_symbol(self) -> float:
        """The loss in bits."""
        return self.loss / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely symbols the model would hesitate as much."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


class TextGenerator(Estimator):
    """A recurrent network that learns to write, symbol by symbol, from text.

    Parameters
    ----------
    level : {"char", "byte"}, default "char"
        What a symbol is.
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
        Numbers that stand for a symbol; 0: one-hot; None: 64 with ``minutes``, else 0.
    initializer : str or Initializer, default "glorot"
        ``"uniform"``, ``"normal"``, ``"identity"``, ``"glorot"``, ``"orthogonal"``.
    dropout : float or None, default None
        Share of each recurrent layer's outputs dropped in training; None: with ``minutes`` from how often the text is
        read in them, else 0.
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
    validation : float, default 0.1
        Share of the text, its end, that is only scored.
    early_stopping : bool, default False
        Stop when validation gets no better, and keep the best weights; else the last ones are kept.
    patience : int, default 5
        Validations without a better one before an early stop.
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
        validation: float = 0.1,
        early_stopping: bool = False,
        patience: int = 5,
        engine: Any = "auto",
        dtype: str = "float32",
        random_state: Any = None,
        callbacks: Sequence[Any] = (),
        verbose: int = 1,
    ) -> None:
        self.level = level
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
        self.validation = validation
        self.early_stopping = early_stopping
        self.patience = patience
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    # ------------------------------------------------------------------ learning

    def fit(self, text: Sources, y: Any = None, *, encoding: str = "utf-8") -> Self:
        """Learns from text.

        Parameters
        ----------
        text : str, bytes, pathlib.Path, or a list of them
            A string is the text itself; a path is a file, or a folder of text files. Each element of a list, and each
            file, is a document: the state starts afresh there.
        y : ignored
        encoding : str, default "utf-8"
            Of files.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter makes no sense.
        DataError
            If a file cannot be read, or the text is too short to learn from.
        NonFiniteLoss
            If the training blew up. The model is usable all the same, with the weights of the last finite loss.
        """
        began = time.perf_counter()
        optimizer = self.check()
        meter = make_engine(self._engine(), self.dtype)
        compiled_before = meter.compile_seconds

        def spent() -> float:
            """Seconds, without those of a cold compile, which no budget covers."""
            return time.perf_counter() - began - (meter.compile_seconds - compiled_before)

        seed = random.seed_of(self.random_state)
        reading = read(text, level=self.level, encoding=encoding)
        lesson = prepare(reading.texts, level_name=self.level, validation=self.validation, seq_len=self.seq_len)
        vocabulary, corpus = lesson.vocabulary, lesson.learned
        cell, engine = resolve_cell(self.cell, self.activation), self._engine()
        sizes = choose_sizes(self, cell, optimizer, lesson, engine, spent)
        weights = {"initializer": self.initializer, "random_state": seed}
        net = network(self, cell, len(vocabulary), sizes, engine=engine, **weights)
        line_break = vocabulary.encode("\n", unknown="skip")
        start = int(line_break[0]) if len(line_break) else int(corpus.ids[0])
        parameters = parameters_to_json(self.get_params())
        self._keep(Fitted(net, cell, parameters, vocabulary, History(len(vocabulary)), seed, sizes, start))
        self.symbols_ = len(corpus.ids) + len(lesson.held_out.ids)
        if reading.left_out:
            names = (
                f"{len(reading.left_out)} that are empty or no {encoding} text, such as {str(reading.left_out[0])!r}"
            )
            self._say(f"files left out: {names}")
        self._train(optimizer, lesson, spent)
        return self

    def check(self) -> Optimizer:
        """Checks all parameters, which ``fit`` does before it reads or builds anything; returns the optimizer.

        Raises
        ------
        ParameterError
            For the first parameter whose value makes no sense.
        """
        self.check_parameters()
        level(self.level)
        resolve_cell(self.cell, self.activation)
        get_initializer(self.initializer)
        schedules.get(self.schedule)
        engine = make_engine(self._engine(), self.dtype)
        if self.bptt_truncate is not None and not engine.truncates:
            raise ParameterError(
                f"bptt_truncate runs on the engine 'numpy', not on {engine.name!r}; leave engine='auto'"
            )
        if sum(value is not None for value in (self.epochs, self.max_steps, self.minutes)) > 1:
            raise ParameterError("epochs, max_steps and minutes each say how long to train; give one of them")
        if self.early_stopping and not self.validation:
            raise ParameterError("early_stopping needs a validation part; give validation, such as 0.1")
        if not isinstance(self.callbacks, Sequence) or not all(isinstance(c, Callback) for c in self.callbacks):
            raise ParameterError(f"callbacks must be a list of throughtime.training.Callback, got {self.callbacks!r}")
        if not isinstance(
            self.random_state, (np.random.Generator, np.random.RandomState)
        ):  # which drawing would advance
            random.seed_of(self.random_state)
        if schedules.get(self.schedule).name == "plateau" and not self.validation:
            raise ParameterError("schedule='plateau' needs a validation part; give validation, such as 0.1")
        return Optimizer(
            self.optimizer, clip_value=self.clip_value, clip_norm=self.clip_norm, weight_decay=self.weight_decay
        )

    def _engine(self) -> Any:
        """What ``auto`` is for these parameters."""
        return "numpy" if self.engine == "auto" and self.bptt_truncate is not None else self.engine

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
        self.engine_ = fitted.network.engine.name

    def _train(self, optimizer: Optimizer, lesson: Lesson, spent: Callable[[], float]) -> None:
        network = self.network_
        streams = training_streams(self, lesson.learned)
        self.batch_size_ = streams.rows
        plan, said = make_plan(self, network, optimizer, streams, lesson, self.seed_, spent)
        self._say(said)
        progress = Progress(lambda: self.generate(200, temperature=0.8, random_state=self.seed_).strip("\n"))
        self.samples_ = progress.samples
        self.training_ = Training(
            network,
            optimizer,
            plan,
            self.history_,
            validate=lambda: mean_loss(network, scoring_streams(lesson.held_out)),
            callbacks=[*([progress] if self.verbose else []), *self.callbacks],
        )
        self.training_.run(streams.endless(self.seed_), streams.rows)
        chance = math.log(len(self.vocabulary_))
        if (self.validation_loss_ or 0.0) > chance:
            self._say(
                f"the validation loss is above {chance:.2f} nats, which guessing at random costs: the learning rate is "
                "too high, or the text is learned by heart (early_stopping, dropout, or a smaller hidden_size help)"
            )

    @property
    def validation_loss_(self) -> float | None:
        """Of the weights that were kept: the best with early stopping, else the last; None if they were not scored."""
        history = self.history_
        if not history.validation_loss:
            return None
        if self.fitted_.parameters["early_stopping"]:
            return min(history.validation_loss)
        return history.validation_loss[-1] if history.validation_steps[-1] == len(history.loss) else None

    def _say(self, message: str) -> None:
        if self.verbose:
            say(message)

    # ------------------------------------------------------------------ writing

    def generate(
        self,
        length: int,
        prime: str | bytes = "",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        random_state: Any = None,
        unknown: Unknown = "error",
    ) -> str:
        """Writes ``length`` new symbols that continue ``prime`` (which is not repeated).

        Parameters
        ----------
        length : int
        prime : str, default ""
            What the text begins with. An empty one begins after a line break, if the model knows it.
        temperature : float, default 1.0
            Below 1 safer, above 1 wilder.
        top_k : int or None
            Choose among the k likeliest symbols only.
        top_p : float or None
            Choose among the likeliest symbols that together have this probability only.
        greedy : bool, default False
            Always the likeliest symbol.
        random_state : int, NumPy generator or None
        unknown : {"error", "skip"}, default "error"
            What is done with symbols of the prime that the model never saw.

        Raises
        ------
        UnknownSymbol
            If the prime has a symbol that the model never saw.
        ParameterError
            If a parameter makes no sense.
        """
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "greedy": greedy}
        return "".join(self.stream(length, prime, **options, random_state=random_state, unknown=unknown))

    def stream(
        self,
        length: int,
        prime: str | bytes = "",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        random_state: Any = None,
        unknown: Unknown = "error",
    ) -> Iterator[str]:
        """What ``generate`` writes, piece by piece as it comes."""
        self.check_fitted()
        if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0:
            raise ParameterError(f"length must be an integer of at least 0, got {length!r}")
        chosen = sampling(temperature, top_k, top_p, greedy)
        ids = self.vocabulary_.encode(prime, what="the prime", unknown=unknown)
        seed = random.seed_of(random_state)
        return self._pieces(ids, int(length), chosen, random.key(seed, "sample"))

    def _pieces(self, prime: Array, length: int, chosen: Any, key: random.Key) -> Iterator[str]:
        network = self.network_
        ids = prime if len(prime) else np.array([self.fitted_.start])
        outputs, state = self._outputs(ids)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        if isinstance(self.vocabulary_, Bytes):  # a prime may end inside a character
            decoder.decode(bytes(self.vocabulary_.codes[prime.astype(np.int64)].astype(np.uint8)))
        for piece in network.engine.generate(network, outputs[-1:], state, length, chosen, key):
            codes = self.vocabulary_.codes[piece[:, 0].astype(np.int64)]
            if isinstance(self.vocabulary_, Bytes):
                yield decoder.decode(codes.astype(np.uint8).tobytes())
            else:
                yield self.vocabulary_.join(codes)
        if rest := decoder.decode(b"", final=True):
            yield rest

    # ------------------------------------------------------------------ reading

    def evaluate(self, text: Sources, *, encoding: str = "utf-8", unknown: Unknown = "error") -> Evaluation:
        """How well the model expects a text: every symbol but the first of each document is scored once.

        The text is read in parallel streams, each warmed up on the 256 symbols before it, uncounted.

        Raises
        ------
        UnknownSymbol
            If the text has a symbol that the model never saw.
        DataError
            If the text cannot be read, or has fewer than two symbols.
        """
        self.check_fitted()
        texts = read(text, level=self.vocabulary_.level, encoding=encoding).texts
        corpus = Corpus.of([self.vocabulary_.encode(document, unknown=unknown) for document in texts])
        if corpus.predictions < 1:
            raise DataError("the text has fewer than two symbols in a row; there is nothing to score")
        return Evaluation(mean_loss(self.network_, scoring_streams(corpus)), corpus.predictions)

    def score(self, text: Sources, y: Any = None) -> float:
        """Minus the loss of ``evaluate``, so that more is better, as scikit-learn's tools expect."""
        return -self.evaluate(text).loss

    def predict(self, text: str | bytes, *, unknown: Unknown = "error") -> str | bytes:
        """The likeliest next symbol after each position: a text of the same length."""
        ids = self._probabilities(text, unknown).argmax(axis=1)
        codes = self.vocabulary_.codes[ids]
        if isinstance(self.vocabulary_, Bytes):
            return bytes(codes.astype(np.uint8))
        return self.vocabulary_.join(codes)

    def predict_proba(self, text: str | bytes, *, unknown: Unknown = "error") -> Array:
        """The probability of each symbol after each position: ``[len(text), K]``, columns as in ``classes_``."""
        return self._probabilities(text, unknown)

    def _probabilities(self, text: str | bytes, unknown: Unknown) -> Array:
        self.check_fitted()
        ids = self.vocabulary_.encode(text, unknown=unknown)
        if not len(ids):
            raise DataError("the text is empty; there is no position to predict from")
        outputs, _ = self._outputs(ids)
        return losses.softmax(outputs)

    def _outputs(self, ids: Array) -> tuple[Array, NetworkState]:
        """The outputs ``[T, K]`` of one row read from an empty state, and the state at its end."""
        outputs, state = self.network_.forward(ids[:, None])
        return outputs[:, 0], state

    # ------------------------------------------------------------------ pictures and files

    def plot_history(self, ax: Any = None) -> Any:
        """Draws the loss over the steps; returns matplotlib's axes."""
        from throughtime.inspection.plots import plot_history

        self.check_fitted()
        return plot_history(self.history_, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model into one file; equal training gives equal bytes.

        Raises
        ------
        OutputError
            If the place cannot be written to.
        """
        self.check_fitted()
        files.save(path, *pack(self))

    @classmethod
    def from_file(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell] = (), engine: Any = "auto"
    ) -> TextGenerator:
        """The model that ``save`` wrote; :func:`throughtime.load` calls it."""
        model, fitted = unpack(cls, tensors, metadata, cells, engine)
        model._keep(fitted)
        return model
