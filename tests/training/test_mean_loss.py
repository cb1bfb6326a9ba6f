"""The mean loss of streams is that of reading each document by itself, in one go."""

import math

import numpy as np
import pytest
from tests.tolerances import ROWS, assert_close

from throughtime import Network
from throughtime.layers import Dense, OneHot, Recurrent
from throughtime.losses import SoftmaxCrossEntropy, softmax
from throughtime.training import Corpus, Streams, mean_loss

K = 5


def network(cell="lstm"):
    layers = [OneHot(K), Recurrent(cell, K, 6), Dense(6, K)]
    return Network(layers, SoftmaxCrossEntropy(), dtype="float64", initializer="normal", random_state=3)


def losses_of(net, ids):
    """``-log p`` of each symbol but the first, read from an empty state."""
    if len(ids) < 2:
        return []
    outputs, _ = net.forward(ids[:-1, None])
    probabilities = softmax(outputs[:, 0])
    return [-math.log(probabilities[t, symbol]) for t, symbol in enumerate(ids[1:])]


def draw(*lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(K, size=length) for length in lengths]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("batch_size", [1, 3, 10])
@pytest.mark.parametrize("seq_len", [1, 7, 64])
def test_documents_are_scored_separately_and_whole(cell, batch_size, seq_len):
    """Warmed up from the start of its document, each piece is read as in one go."""
    texts, net = draw(30, 1, 0, 17, 2), network(cell)
    expected = np.mean([loss for text in texts for loss in losses_of(net, text)])
    found = mean_loss(net, Streams(Corpus.of(texts), batch_size, seq_len, warm_up=1000))
    assert_close(found, expected, ROWS["float64"])


def test_without_warm_up_each_piece_starts_from_an_empty_state():
    (text,), net = draw(21), network()
    expected = np.mean(losses_of(net, text[:11]) + losses_of(net, text[10:]))
    assert_close(mean_loss(net, Streams(Corpus.of([text]), 2, 4)), expected, ROWS["float64"])


def test_a_warm_up_is_read_but_not_counted():
    (text,), net = draw(21), network()
    expected = np.mean(losses_of(net, text[:11]) + losses_of(net, text[7:])[3:])
    assert_close(mean_loss(net, Streams(Corpus.of([text]), 2, 2, warm_up=3)), expected, ROWS["float64"])
