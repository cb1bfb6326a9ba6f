"""What the estimators of sequences share: how they read, learn, predict, and go into a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from throughtime import files
from throughtime.cells import Cell
from throughtime.engine import random
from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError, known, short
from throughtime.estimator import parameters_to_json, resolve_cell
from throughtime.layers.pool import KINDS
from throughtime.learner import GoingOn, Learner
from throughtime.network import Network
from throughtime.optimizers import Optimizer
from throughtime.sequences.baselines import FrequentTags, baseline
from throughtime.sequences.encoding import Alphabet, Encoding, Features, Numbers
from throughtime.sequences.inputs import Read, check_level, check_truncating, read
from throughtime.sequences.learning import batches, layers, network, plan_training, sizes_of, tell
from throughtime.sequences.model_file import Fitted, pack, unpack
from throughtime.sequences.rows import Lesson, Rows, Symbols
from throughtime.sequences.targets import Answers, Labels
from throughtime.training import Batches, History
from throughtime.training.progress import Progress


class Task(NamedTuple):
    """What is to be learned: sequences, their answers as :class:`Lesson` keeps them, and how much each row counts."""

    read: Read
    given: Any
    weights: Array
    of_classes: Array | None = None
    """The part of the weights that is a class's, ``[K]``."""

    def those(self, rows: Array) -> Task:
        """These sequences, in this order."""
        return self._replace(read=self.read.those(rows), given=self.given[rows], weights=self.weights[rows])


class SequenceLearner(Learner):
    """An estimator that learns from whole sequences."""

    fitted_: Fitted
    network_: Network
    merges: ClassVar[bool] = True
    """Whether equal rows with equal answers are learned as one, with their weights added up."""

    def check_reading(self) -> None:
        """Raises :class:`ParameterError` unless it is known how sequences are read and pooled."""
        given = self.get_params()
        check_level(given.get("level", "char"))
        check_truncating(given.get("truncating", "pre"))
        if given.get("pooling", "last") not in KINDS:
            raise ParameterError(f"pooling must be one of {known(KINDS)}, got {short(given['pooling'])}")

    def check(self) -> Optimizer:
        self.check_reading()
        return super().check()

    # ------------------------------------------------------------------ learning

    def _read(self, X: Any, given: Mapping[str, Any]) -> Read:
        """The sequences, as these parameters say."""
        found = read(X, tokens=given["tokens"], level=given.get("level", "char"))
        return found.cut(given.get("max_length"), given.get("truncating", "pre"))

    def _learn(
        self,
        optimizer: Optimizer,
        spent: Callable[[], float],
        task: Task,
        answers_of: Callable[[Lesson], Answers],
        before: GoingOn | None,
    ) -> None:
        """Learns the task; ``answers_of`` makes what is to be found from the part that is learned."""
        if before is None:
            learned, held_out = self._begin_with(optimizer, task, answers_of)
        else:
            self._keep(before.fitted)
            self._check_columns(task.read)
            _, learned, held_out, symbols = self._parts(task, self.seed_, self.fitted_.encoding)
            if before.asked.new_data:
                guesses = _guesses(task, learned, held_out, self.fitted_.answers, symbols)
                self._keep(self.fitted_._replace(**guesses))
        with self._callbacks_told():
            self._train(optimizer, learned, held_out, spent, before)
            self._tell_fitted()

    def _begin_with(
        self, optimizer: Optimizer, task: Task, answers_of: Callable[[Lesson], Answers]
    ) -> tuple[Lesson, Lesson | None]:
        """Makes the network; returns what is learned and what is held out."""
        given, seed = self.get_params(), random.seed_of(self.random_state)
        encoding, learned, held_out, symbols = self._parts(task, seed)
        answers = answers_of(learned)
        sizes = sizes_of(given, len(learned))
        cell = resolve_cell(given["cell"], given["activation"])
        self._make_room(
            layers(given, cell, encoding, answers, sizes),
            answers.loss,
            optimizer,
            batches(learned, encoding, answers, sizes.batch_size),
            None if held_out is None else batches(held_out, encoding, answers, sizes.batch_size),
        )
        net = network(
            given,
            cell,
            encoding,
            answers,
            sizes,
            engine=self._engine(),
            initializer=given["initializer"],
            random_state=seed,
        )
        self._keep(
            Fitted(
                network=net,
                cell=cell,
                parameters=parameters_to_json(given),
                encoding=encoding,
                answers=answers,
                history=History(answers.guesses, unit=answers.unit),
                seed=seed,
                sizes=sizes,
                columns=task.read.columns,
                names=task.read.names,
                **_guesses(task, learned, held_out, answers, symbols),
            )
        )
        return learned, held_out

    def _parts(
        self, task: Task, seed: int, encoding: Encoding | None = None
    ) -> tuple[Encoding, Lesson, Lesson | None, Symbols | None]:
        """What is learned and what is held out, in the encoding that there is, or that the former alone decides.

        The last of what it returns are the symbols of that.
        """
        read = task.read
        if isinstance(read.content, Rows):
            learned, held_out = self._divided(task, read.rows if encoding is None else encoding.rows(read), seed)
            return encoding or Numbers.of(learned), learned, held_out, None
        every = Alphabet.every(read.content)
        learned, held_out = self._divided(task, every.rows(read), seed)
        symbols = Symbols(learned.rows, every.known)
        found = encoding or self._encoding(symbols)
        values = found.rows(read).values

        def encoded(part: Lesson) -> Lesson:
            return replace(part, rows=part.rows.of_same_steps(values))

        return found, encoded(learned), None if held_out is None else encoded(held_out), symbols

    def _divided(self, task: Task, rows: Rows, seed: int) -> tuple[Lesson, Lesson | None]:
        """The part that is learned, and the one that is held out."""
        lesson = Lesson(rows, task.given, task.weights)
        return (lesson.merged() if self.merges else lesson).split(float(self.get_params()["validation"]), seed)

    def _encoding(self, symbols: Symbols) -> Encoding:
        """That of the symbols that are learned."""
        given = self.get_params()
        if self.merges:
            symbols = replace(symbols, rows=symbols.rows.different())
        if given.get("characters"):
            return Features.of(symbols, given["vocab_size"])
        return Alphabet.of(symbols, given["vocab_size"])

    def name_columns(self, names: Sequence[str]) -> None:
        """Says what the columns are called that were learned from, where they came without names."""
        self._keep(self.fitted_._replace(names=tuple(names)))

    def _keep(self, fitted: Fitted) -> None:
        self.fitted_ = fitted
        self.network_ = fitted.network
        self.history_ = fitted.history
        self.seed_ = fitted.seed
        self.hidden_size_ = fitted.sizes.hidden_size
        self.embedding_size_ = fitted.sizes.embedding_size
        self.batch_size_ = fitted.sizes.batch_size
        self.baseline_ = fitted.baseline
        self.engine_ = fitted.network.engine.name
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        if fitted.columns is not None:
            self.n_features_in_ = fitted.columns
        if fitted.names is not None:
            self.feature_names_in_ = np.array(fitted.names, object)

    def _train(
        self,
        optimizer: Optimizer,
        learned: Lesson,
        held_out: Lesson | None,
        spent: Callable[[], float],
        before: GoingOn | None,
    ) -> None:
        fitted = self.fitted_
        source = self._batches(learned.spread() if self.merges else learned)
        scored = None if held_out is None else self._batches(held_out)
        if before is None:
            plan, said = plan_training(self, self.network_, optimizer, source, scored, spent, fitted.seed)
        else:
            before, said = before.plan(source.steps_per_epoch)
            plan = before.checkpoint.plan
        self._say(said)
        self._run(optimizer, plan, source, scored, Progress(), before)
        loss = self.validation_loss_
        self._say(
            fitted.baseline.in_words() if loss is None else f"validation loss {loss:.4f}; {fitted.baseline.in_words()}"
        )

    def _batches(self, lesson: Lesson) -> Batches:
        fitted = self.fitted_
        return batches(lesson, fitted.encoding, fitted.answers, fitted.sizes.batch_size)

    # ------------------------------------------------------------------ predicting

    def _found(self, X: Any) -> Read:
        """The sequences to predict for."""
        self.check_fitted()
        found = self._read(X, self.fitted_.parameters)
        self._check_columns(found)
        return found

    def _tell(self, read: Read, take: Callable[[Array, Array], None]) -> None:
        """What the network says of the sequences; see :func:`throughtime.sequences.learning.tell`."""
        encoding = self.fitted_.encoding
        tell(self.network_, encoding, encoding.rows(read), take)

    def _of_each(self, read: Read, answer: Callable[[Array], Array]) -> Array:
        """The answer to the outputs ``[n, K]`` for whole sequences."""
        like = answer(np.zeros((1, self.fitted_.answers.size)))
        found: Array = np.empty((len(read), *like.shape[1:]), like.dtype)

        def take(rows: Array, o: Array) -> None:
            found[rows] = answer(o[0])

        self._tell(read, take)
        return found

    def _check_columns(self, found: Read) -> None:
        columns, names = self.fitted_.columns, self.fitted_.names
        if found.fixed and columns not in (None, found.columns):
            kind = type(self).__name__
            raise DataError(f"X has {found.columns} features, but {kind} is expecting {columns} features as input")
        if names and found.names and names != found.names:
            raise DataError(
                "The feature names should match those that were passed during fit; expected the columns "
                f"{known(names[:5])}{' and more' if len(names) > 5 else ''}, in this order"
            )

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, TargetTags

        tags = super().__sklearn_tags__()
        tags.target_tags = TargetTags(required=True)
        tags.input_tags = InputTags(two_d_array=True, three_d_array=True)
        tags.non_deterministic = False
        return tags

    # ------------------------------------------------------------------ files

    def _pack(self) -> tuple[files.Tensors, dict[str, Any]]:
        return pack(type(self).__name__, self.fitted_)

    @classmethod
    def _unpack(
        cls, tensors: files.Tensors, metadata: Mapping[str, Any], cells: Sequence[Cell], engine: Any
    ) -> tuple[Self, Any]:
        return unpack(cls, tensors, metadata, cells, engine)


def _guesses(
    task: Task, learned: Lesson, held_out: Lesson | None, answers: Answers, symbols: Symbols | None
) -> dict[str, Any]:
    """What guessing comes to that does not look at the sequence, and the most frequent tags of tokens."""
    tagged = isinstance(learned.answers, Rows) and isinstance(answers, Labels)
    return {
        "baseline": baseline(learned, held_out or learned, answers, task.of_classes),
        "frequent": FrequentTags.of(symbols, learned.answers) if tagged else None,
    }
