"""Layers as data, for an engine that runs a whole network in one call."""

from throughtime import Network, cells
from throughtime.engine.protocol import Stage
from throughtime.layers import Bidirectional, Dense, Embedding, OneHot, Pool, VariationalDropout, recurrent_stack


def test_a_network_is_told_as_data():
    stack = recurrent_stack("gru", 5, 4, num_layers=2, residual=True, dropout=0.25)
    network = Network([OneHot(5), *stack, Dense(4, 5)], random_state=0)
    one_hot, first, dropped, second, output = network.stages
    assert one_hot == Stage("one_hot", inputs=5, size=5)
    assert first == Stage("recurrent", "recurrent.0", 5, 4, cells.GRU)
    assert dropped == Stage("dropout", "dropout.0", rate=0.25)
    assert output == Stage("dense", "output", 4, 5)
    assert second.kind == "residual"
    (stacked,) = second.parts
    assert [part.kind for part in stacked.parts] == ["recurrent", "dropout"]


def test_the_names_of_the_parameters_follow_from_the_stages():
    network = Network(
        [Embedding(5, 3), Bidirectional("lstm", 3, 4), VariationalDropout(0.5), Dense(8, 5)], random_state=0
    )
    embedding, both, dropped, output = network.stages
    assert [part.reverse for part in both.parts] == [False, True]
    assert not dropped.per_step
    names = {f"{embedding.name}.table", f"{output.name}.V", f"{output.name}.c"}
    names |= {f"{part.name}.{key}" for part in both.parts for key in ("U", "W", "b")}
    assert names == network.parameters.keys()


def test_a_pool_is_told_as_data():
    assert Pool("max").stage() == Stage("pool", pooling="max")
    assert Pool("last", reversed_from=3).stage() == Stage("pool", pooling="last", reversed_from=3)
