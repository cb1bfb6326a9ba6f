"""Writes text with a network: streams side by side, candidates with their likelihood, and beam search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from throughtime.engine.protocol import Array, NetworkState, Sampling
from throughtime.engine.random import Key
from throughtime.errors import NonFiniteLoss, ParameterError
from throughtime.network import Network
from throughtime.text.vocabularies import Text, Vocabulary

NUMBERS_AT_ONCE = 1 << 24
"""How many outputs are held in memory when texts are scored."""


@dataclass(frozen=True)
class Candidate:
    """A text that a model may write."""

    text: str
    """What continues the prime."""
    log_likelihood: float
    """Nats, of all its symbols given the prime; 0 would be certain."""
    symbols: int
    """How many were chosen, those of a stop and the end of the document counted, which are not in the text."""

    @property
    def loss(self) -> float:
        """Nats per symbol, by which candidates are ranked."""
        return -self.log_likelihood / max(self.symbols, 1)


class Beginning(NamedTuple):
    """What a text goes on from."""

    prime: Text
    ids: Array
    """The symbols of the prime ``[n]``."""
    outputs: Array
    """After the last of them ``[1, K]``."""
    state: NetworkState


def begin(network: Network, vocabulary: Vocabulary, prime: Text, ids: Array, start: int) -> Beginning:
    """Reads a prime. A document begins after the end of the one before, and an empty prime else after ``start``."""
    first = [vocabulary.end] if vocabulary.end is not None else [] if len(ids) else [start]
    outputs, state = network.forward(np.append(np.array(first, np.int64), ids)[:, None])
    return Beginning(prime, ids, outputs[-1], state)


class Stream:
    """One text as it is written: ids go in, text comes out, until the document or the text is at its end.

    Parameters
    ----------
    vocabulary : Vocabulary
    prime : what the text goes on from
    stop : texts at which it ends; they are not written
    """

    def __init__(self, vocabulary: Vocabulary, prime: Text, stop: Sequence[str]) -> None:
        self.end = -1 if vocabulary.end is None else vocabulary.end
        self.writer = vocabulary.writer(prime)
        self.stop = stop
        self.held = ""
        """What may be the beginning of a stop."""
        self.symbols = 0
        self.done = False

    def take(self, ids: Array) -> str:
        """The text of the next ids, as far as it is certain."""
        if self.stop:  # one by one, so that no symbol behind a stop is counted
            return "".join([self._take(ids[i : i + 1]) for i in range(len(ids))])
        return self._take(ids)

    def _take(self, ids: Array) -> str:
        if self.done:
            return ""
        if self.end in ids:
            ids = ids[: int(np.argmax(ids == self.end))]
            self.done = True
        self.symbols += len(ids) + self.done
        text = self.held + self.writer.write(ids)
        if self.done:
            text += self.writer.finish()
        return self._until_stop(text)

    def finish(self) -> str:
        """What is left."""
        if self.done:
            return ""
        rest = self._until_stop(self.held + self.writer.finish())
        rest, self.held, self.done = rest + self.held, "", True
        return rest

    def _until_stop(self, text: str) -> str:
        places = [place for stop in self.stop if (place := text.find(stop)) >= 0]
        if places:
            self.held, self.done = "", True
            return text[: min(places)]
        keep = 0 if self.done else max((_overlap(text, stop) for stop in self.stop), default=0)
        cut = len(text) - keep
        self.held = text[cut:]
        return text[:cut]


def _overlap(text: str, stop: str) -> int:
    """How much of the beginning of ``stop`` the text ends with."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def write(
    network: Network,
    vocabulary: Vocabulary,
    beginning: Beginning,
    *,
    count: int,
    length: int,
    sampling: Sampling,
    key: Key,
    stop: Sequence[str],
) -> Iterator[tuple[list[str], Array]]:
    """``count`` texts side by side: the next piece of each, and the ids ``[n, count]`` that were chosen."""
    streams = [Stream(vocabulary, beginning.prime, stop) for _ in range(count)]
    outputs, state, read = _rows(beginning, np.zeros(count, np.int64))
    for piece in network.engine.generate(network, outputs, state, length, sampling, key, read):
        yield [stream.take(ids) for stream, ids in zip(streams, piece.T, strict=True)], piece
        if all(stream.done for stream in streams):
            return
    yield [stream.finish() for stream in streams], np.zeros((0, count), np.int64)


def _rows(beginning: Beginning, rows: Array) -> tuple[Array, NetworkState, Array]:
    state = {name: tuple(part[rows] for part in parts) for name, parts in beginning.state.items()}
    return beginning.outputs[rows], state, np.repeat(beginning.ids[:, None], len(rows), axis=1)


def log_softmax(o: Array) -> Array:
    """In float64."""
    z = o.astype(np.float64)
    z -= z.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


def likelihoods(network: Network, beginning: Beginning, ids: Array, lengths: Array) -> Array:
    """``[N]``: the log-likelihood in nats of the first ``lengths`` of ``ids [T, N]``, given the beginning."""
    T, N = ids.shape
    at_once = max(1, NUMBERS_AT_ONCE // (T * beginning.outputs.shape[1]))
    found = np.zeros(N)
    for rows in (slice(start, start + at_once) for start in range(0, N, at_once)):
        some = ids[:, rows]
        outputs, state, _ = _rows(beginning, np.zeros(some.shape[1], np.int64))
        later = network.forward(some[:-1], state)[0] if T > 1 else outputs[None][:0]
        p = log_softmax(np.concatenate([outputs[None], later]))  # [T, n, K]
        of_ids = np.take_along_axis(p, some[..., None], axis=-1)[..., 0]
        found[rows] = np.where(np.arange(T)[:, None] < lengths[rows], of_ids, 0.0).sum(axis=0)
    return found


def beam_search(
    network: Network,
    vocabulary: Vocabulary,
    beginning: Beginning,
    *,
    beams: int,
    length: int,
    sampling: Sampling,
    stop: Sequence[str],
) -> list[Candidate]:
    """The likeliest texts that are found by keeping the ``beams`` best beginnings of each length.

    A text that is at its end is set aside. The search ends where no beginning is better than any of the ``beams`` best
    that are set aside, by nats per symbol (Wu et al., 2016, section 7, with a full normalisation by length), with
    penalty, bias and ban. These are told with their likelihood by the model as it is, and ranked by it.
    """
    outputs, state, read = _rows(beginning, np.zeros(1, np.int64))
    scores, written = np.zeros(1), np.zeros((0, 1), np.int64)
    ended: list[tuple[Array, float]] = []
    for _ in range(length):
        adjusted = sampling.adjusted(outputs, np.concatenate([read, written])) if sampling.adjusts else outputs
        if not np.isfinite(outputs).all():
            raise NonFiniteLoss("the network's outputs are not finite numbers; its weights are of no use")
        totals = (scores[:, None] + log_softmax(adjusted)).ravel()  # [B * K]
        best = np.argsort(-totals, kind="stable")[:beams]
        best = best[totals[best] > -np.inf]
        parents, symbols = np.divmod(best, outputs.shape[1])
        scores = totals[best]
        written = np.concatenate([written[:, parents], symbols[None]])
        done = np.zeros(len(best), bool) if vocabulary.end is None else symbols == vocabulary.end
        if stop:
            done |= [_text(vocabulary, beginning.prime, ids, stop)[1] for ids in written.T]
        ended += zip(written.T[done], scores[done], strict=True)
        scores, written, parents = scores[~done], written[:, ~done], parents[~done]
        if not len(scores) or _settled(ended, beams, -scores.max() / len(written)):
            break
        read = np.repeat(beginning.ids[:, None], len(scores), axis=1)
        state = {name: tuple(part[parents] for part in parts) for name, parts in state.items()}
        outputs, state = network.step(written[-1], state)
    else:
        ended += zip(written.T, scores, strict=True)
    different: dict[str, Array] = {}
    for ids, _ in sorted(ended, key=_loss):
        different.setdefault(_text(vocabulary, beginning.prime, ids, stop)[0], ids)  # of equal texts the likeliest
    kept = list(different.items())[:beams]
    lengths = np.array([len(ids) for _, ids in kept])
    padded = np.stack([np.pad(ids, (0, lengths.max() - len(ids))) for _, ids in kept], axis=1)
    found = likelihoods(network, beginning, padded, lengths).tolist()
    told = [Candidate(text, score, len(ids)) for (text, ids), score in zip(kept, found, strict=True)]
    return sorted(told, key=lambda candidate: candidate.loss)


def _loss(scored: tuple[Array, float]) -> float:
    """Nats per symbol of ids and their log-likelihood."""
    ids, score = scored
    return -score / len(ids)


def _settled(ended: list[tuple[Array, float]], beams: int, best: float) -> bool:
    """Whether ``beams`` texts are set aside, and the ``best`` loss of the others is no less than any of theirs."""
    return len(ended) >= beams and best >= sorted(map(_loss, ended))[beams - 1]


def _text(vocabulary: Vocabulary, prime: Text, ids: Array, stop: Sequence[str]) -> tuple[str, bool]:
    """The text of these ids, and whether it is at its end."""
    stream = Stream(vocabulary, prime, stop)
    text = stream.take(ids)
    done = stream.done
    return text + stream.finish(), done


def length_of(vocabulary: Vocabulary, prime: Text, ids: Array, stop: Sequence[str]) -> int:
    """How many of these ids belong to the text: those up to its end."""
    stream = Stream(vocabulary, prime, stop)
    stream.take(ids)
    return stream.symbols


def check_count(name: str, value: Any, least: int = 1) -> int:
    """The number, if it is an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def stops(vocabulary: Vocabulary, stop: str | Sequence[str] | None) -> list[str]:
    """The texts at which writing ends.

    Raises
    ------
    ParameterError
        If one is empty or no text.
    UnknownSymbol
        If one has a symbol that the model never saw, so that it would never stop there.
    """
    found = [] if stop is None else [stop] if isinstance(stop, str) or not isinstance(stop, Iterable) else list(stop)
    for text in found:
        if not isinstance(text, str) or not text:
            raise ParameterError(f"stop must be text that is not empty, or a list of such texts, got {stop!r}")
        vocabulary.check_known(text, "stop")
    return found
