"""How a text is cut for training and for scoring."""

import numpy as np
import pytest
from tests.trained import small

from throughtime.text.learning import scoring_streams, training_streams
from throughtime.text.lesson import prepare
from throughtime.text.vocabularies import level
from throughtime.training import RESTART_EVERY, WARM_UP, Corpus

LONG = Corpus.of([np.zeros(100_000, np.int64)])


def lesson_of(texts, *, ends=False, seed=0, **options):
    return prepare(level("char").of(texts, ends=ends), texts, seed=seed, **options)


def test_the_end_of_the_text_is_held_out():
    lesson = lesson_of(["abcdefgh", "ij"], validation=0.3, seq_len=3)
    assert lesson.vocabulary.decode(lesson.learned.ids) == "abcdefg"
    assert lesson.vocabulary.decode(lesson.held_out.ids) == "hij"
    assert lesson.held_out.bounds.tolist() == [0, 1, 3]


def test_the_vocabulary_is_that_of_all_the_text():
    lesson = lesson_of(["abab", "abab", "z"], validation=0.5, seq_len=2)
    assert lesson.vocabulary.symbols == ["a", "b", "z"]


@pytest.mark.parametrize("batch_size", [1, 7])
def test_training_begins_anew_from_time_to_time(batch_size):
    """A network that never does may fail from an empty state."""
    streams = training_streams(small(batch_size=batch_size), LONG)
    assert streams.rows == batch_size
    _, starts, ends = streams.pieces.T
    assert (ends - starts).max() <= RESTART_EVERY * 16


def test_scoring_warms_its_rows_up_at_little_cost():
    streams = scoring_streams(LONG)
    reading, counting, ends = streams.pieces.T
    assert streams.rows == len(reading) == 48
    assert ((counting - reading)[1:] == WARM_UP).all()
    assert (ends - reading).sum() < 1.15 * LONG.predictions


def test_scoring_reads_a_short_text_in_one_row():
    assert scoring_streams(Corpus.of([np.zeros(2000, np.int64)])).rows == 1
