"""What a text generator can do once it has learned: write, score, predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Unpack

import numpy as np

from throughtime import losses
from throughtime.engine import random
from throughtime.engine.protocol import Array
from throughtime.errors import DataError, ParameterError
from throughtime.learner import Learner
from throughtime.network import Network
from throughtime.text.documents import Split
from throughtime.text.evaluation import Evaluation
from throughtime.text.learning import scoring_streams
from throughtime.text.lesson import MOST_REMEMBERED, fingerprints, to_score
from throughtime.text.model_file import Fitted
from throughtime.text.reading import Sources, read
from throughtime.text.sampling import Choices, sampling
from throughtime.text.vocabularies import Bytes, Characters, Unknown, Vocabulary
from throughtime.text.writing import (
    Beginning,
    Candidate,
    beam_search,
    begin,
    check_count,
    length_of,
    likelihoods,
    stops,
    write,
)
from throughtime.training import mean_loss


class TrainedText(Learner):
    """The half of a text generator that needs what ``fit`` found, and nothing of how."""

    fitted_: Fitted
    network_: Network
    vocabulary_: Vocabulary
    classes_: list[Any]

    # ------------------------------------------------------------------ writing

    def generate(
        self,
        length: int,
        prime: str | bytes = "",
        *,
        stop: str | Sequence[str] | None = None,
        random_state: Any = None,
        unknown: Unknown = "error",
        **choices: Unpack[Choices],
    ) -> str:
        """Writes ``length`` new symbols that continue ``prime`` (which is not repeated).

        A model of documents ends where the document does.

        Parameters
        ----------
        length : int
        prime : str, default ""
            What the text begins with. An empty one begins a document or, in a model of one text, after a line break, if
            the model knows it.
        stop : str, list of str or None, default None
            Texts at which it ends before; they are not written.
        random_state : int, NumPy generator or None
        unknown : {"error", "skip"}, default "error"
            What is done with symbols of the prime that the model never saw.
        temperature : float, default 1.0
            Below 1 safer, above 1 wilder.
        top_k : int or None
            Choose among the k likeliest symbols only.
        top_p : float or None
            Choose among the likeliest symbols that together have this probability only.
        min_p : float, default 0
            Choose among those symbols only that have at least this share of the likeliest one's probability.
        repetition_penalty : float, default 1
            Above 1, symbols that are among the last 64 are less likely.
        greedy : bool, default False
            Always the likeliest symbol.
        bias : mapping of symbol to number
            What is added to the outputs of these symbols: log-odds in nats. ``"<end>"`` is the end of a document.
        ban : str, or a list of them
            What is never written. Characters and bytes may come as one string.

        Raises
        ------
        UnknownSymbol
            If the prime, a stop, a bias or a ban has a symbol that the model never saw.
        ParameterError
            If a parameter makes no sense.
        """
        return "".join(self.stream(length, prime, stop=stop, random_state=random_state, unknown=unknown, **choices))

    def stream(
        self,
        length: int,
        prime: str | bytes = "",
        *,
        stop: str | Sequence[str] | None = None,
        random_state: Any = None,
        unknown: Unknown = "error",
        **choices: Unpack[Choices],
    ) -> Iterator[str]:
        """What ``generate`` writes, piece by piece as it comes."""
        pieces = self._write(self._begin(prime, unknown), 1, length, stop, random_state, choices)
        return (texts[0] for texts, _ in pieces if texts[0])

    def generate_many(
        self,
        count: int,
        length: int,
        prime: str | bytes = "",
        *,
        stop: str | Sequence[str] | None = None,
        random_state: Any = None,
        unknown: Unknown = "error",
        **choices: Unpack[Choices],
    ) -> list[str]:
        """``count`` texts that are written side by side; the first is what ``generate`` writes."""
        pieces = self._write(self._begin(prime, unknown), count, length, stop, random_state, choices)
        return ["".join(parts) for parts in zip(*(texts for texts, _ in pieces), strict=True)]

    def candidates(
        self,
        count: int,
        length: int,
        prime: str | bytes = "",
        *,
        stop: str | Sequence[str] | None = None,
        random_state: Any = None,
        unknown: Unknown = "error",
        **choices: Unpack[Choices],
    ) -> list[Candidate]:
        """What ``generate_many`` writes, ranked: the text that the model itself finds likeliest per symbol comes first.

        The likelihood is that of the model as it is, without temperature and the like.
        """
        beginning = self._begin(prime, unknown)
        pieces = list(self._write(beginning, count, length, stop, random_state, choices))
        ids = np.concatenate([chosen for _, chosen in pieces])
        texts = ["".join(parts) for parts in zip(*(texts for texts, _ in pieces), strict=True)]
        stopped = stops(self.vocabulary_, stop)
        lengths = np.array([length_of(self.vocabulary_, prime, row, stopped) for row in ids.T])
        if not len(ids):
            return [Candidate(text, 0.0, 0) for text in texts]
        found = likelihoods(self.network_, beginning, ids, lengths)
        ranked = [Candidate(*parts) for parts in zip(texts, found.tolist(), lengths.tolist(), strict=True)]
        return sorted(ranked, key=lambda candidate: candidate.loss)

    def beam_search(
        self,
        length: int,
        prime: str | bytes = "",
        *,
        beams: int = 5,
        stop: str | Sequence[str] | None = None,
        unknown: Unknown = "error",
        **choices: Unpack[Choices],
    ) -> list[Candidate]:
        """The likeliest texts, the best first, found by keeping the ``beams`` best beginnings of each length.

        It draws nothing: of the ways to choose it takes ``repetition_penalty``, ``bias`` and ``ban``. The likelihood is
        that of the model as it is, as for ``candidates``.

        Raises
        ------
        ParameterError
            If a parameter makes no sense.
        """
        for name in choices:
            if name not in ("repetition_penalty", "bias", "ban"):
                raise ParameterError(f"beam search draws nothing, so that {name} has no meaning there; leave it out")
        self.check_fitted()
        chosen = sampling(self.vocabulary_, **choices)
        return beam_search(
            self.network_,
            self.vocabulary_,
            self._begin(prime, unknown),
            beams=check_count("beams", beams),
            length=check_count("length", length),
            sampling=chosen,
            stop=stops(self.vocabulary_, stop),
        )

    def copies(self, texts: Sequence[str | bytes]) -> list[bool]:
        """Which of these texts are documents that the model was given to learn from, word for word.

        A model that went on with documents after one text knows the documents, and nothing of the text.

        Parameters
        ----------
        texts : list of str or bytes

        Raises
        ------
        DataError
            If the model was not made from documents, or from more than a million; if ``texts`` is anything else.
        """
        self.check_fitted()
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise DataError(f"expected a list of texts, got {type(texts).__name__}")
        listed = list(texts)
        for text in listed:
            if not isinstance(text, (str, bytes)):
                raise DataError(f"expected a list of texts, got {type(text).__name__} among them")
        if self.fitted_.documents is None:
            raise DataError(
                "the model does not know which documents it learned from: it was made from one text, or from more than "
                f"{MOST_REMEMBERED:,} documents"
            )
        return [bool(found) for found in np.isin(fingerprints(self.vocabulary_, listed), self.fitted_.documents)]

    def _begin(self, prime: str | bytes, unknown: Unknown) -> Beginning:
        self.check_fitted()
        ids = self.vocabulary_.encode(prime, what="the prime", unknown=unknown)
        return begin(self.network_, self.vocabulary_, prime, ids, self.fitted_.start)

    def _write(
        self,
        beginning: Beginning,
        count: int,
        length: int,
        stop: str | Sequence[str] | None,
        random_state: Any,
        choices: Choices,
    ) -> Iterator[tuple[list[str], Array]]:
        """Checks everything at once; what it returns writes piece by piece."""
        count, length = check_count("count", count), check_count("length", length, 0)
        chosen = sampling(self.vocabulary_, **choices)
        stopped = stops(self.vocabulary_, stop)
        key = random.key(random.seed_of(random_state), "sample")
        return write(
            self.network_,
            self.vocabulary_,
            beginning,
            count=count,
            length=length,
            sampling=chosen,
            key=key,
            stop=stopped,
        )

    # ------------------------------------------------------------------ reading

    def evaluate(
        self,
        text: Sources,
        *,
        encoding: str = "utf-8",
        split: Split = None,
        column: str | None = None,
        unknown: Unknown = "error",
    ) -> Evaluation:
        """How well the model expects a text: every symbol but the first of each document is scored once.

        A model that knows the ends of documents scores their first symbols and their ends too. The text is read in
        parallel streams, each warmed up on the 256 symbols before it, uncounted.

        Parameters
        ----------
        text, encoding, split, column : as for ``fit``
        unknown : {"error", "skip"}, default "error"
            What is done with symbols that the model never saw. (Unknown words are no error: they count as ``<unk>``.)

        Raises
        ------
        UnknownSymbol
            If the text has a symbol that the model never saw.
        DataError
            If the text cannot be read, or has fewer than two symbols.
        """
        self.check_fitted()
        vocabulary = self.vocabulary_
        texts = read(text, level=vocabulary.level, encoding=encoding, split=split, column=column).texts
        corpus, left = to_score(vocabulary, texts, unknown)
        return Evaluation(
            mean_loss(self.network_, scoring_streams(corpus)),
            corpus.predictions,
            characters=left,
            unknown=corpus.predicted_among(vocabulary.unwritten),
        )

    def score(self, text: Sources, y: Any = None) -> float:
        """Minus the loss of ``evaluate``, so that more is better, as scikit-learn's tools expect."""
        return -self.evaluate(text).loss

    def predict(self, text: str | bytes, *, unknown: Unknown = "error") -> str | bytes | list[Any]:
        """The likeliest next symbol after each position.

        It is a text of the same length where symbols are characters or bytes of one text, and else a list of symbols,
        as in ``classes_``.
        """
        ids = self._probabilities(text, unknown).argmax(axis=1)
        vocabulary = self.vocabulary_
        if isinstance(vocabulary, Bytes) and not vocabulary.ends:
            return bytes(vocabulary.codes_of(ids).astype(np.uint8))
        if isinstance(vocabulary, Characters) and not vocabulary.ends:
            return vocabulary.decode(ids)
        return [self.classes_[i] for i in ids.tolist()]

    def predict_proba(self, text: str | bytes, *, unknown: Unknown = "error") -> Array:
        """The probability of each symbol after each position: ``[T, K]`` for T symbols, columns as in ``classes_``.

        A model of documents reads the text as the beginning of one.
        """
        return self._probabilities(text, unknown)

    def _probabilities(self, text: str | bytes, unknown: Unknown) -> Array:
        self.check_fitted()
        vocabulary = self.vocabulary_
        ids = vocabulary.encode(text, unknown=unknown)
        if not len(ids):
            raise DataError("the text is empty; there is no position to predict from")
        before = [] if vocabulary.end is None else [vocabulary.end]
        outputs, _ = self.network_.forward(np.append(np.array(before, ids.dtype), ids)[:, None])
        return losses.softmax(outputs[len(before) :, 0])
