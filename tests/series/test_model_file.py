"""A forecaster as a file: the same forecasts, and whatever is wrong with it is a ModelFileError."""

import contextlib
import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes
from tests.forecasters import fitted, of_shops, shop, small, wave

from throughtime import Forecaster, cells, load
from throughtime.errors import CellError, InputError, ModelFileError, OutputError
from throughtime.optimizers import adam
from throughtime.series import model_file
from throughtime.training import Callback, ModelCheckpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_integers_of_numpy_are_stored_as_others(tmp_path):
    numbers = {"horizon": 2, "season": 7, "context": 10, "hidden_size": 4, "batch_size": 8, "max_steps": 2}
    of_numpy = {name: np.int64(value) for name, value in numbers.items()}
    for name, given in (("python", numbers), ("numpy", of_numpy)):
        small(**given).fit(wave()).save(tmp_path / name)
    assert (tmp_path / "numpy").read_bytes() == (tmp_path / "python").read_bytes()


def test_a_loaded_model_forecasts_the_same(path):
    of_shops().save(path)
    model = load(path)
    assert type(model) is Forecaster
    expected = of_shops().predict(shop(more=3))
    for name, column in model.predict(shop(more=3)).items():
        assert np.array_equal(column, expected[name]), name
    for name in ("levels_", "season_", "context_", "reference_", "coverage_", "validation_loss_"):
        assert getattr(model, name) == getattr(of_shops(), name), name
    assert str(model.evaluate(shop())) == str(of_shops().evaluate(shop()))


def test_a_loaded_model_saves_the_same_bytes(path, tmp_path):
    of_shops().save(path)
    load(path).save(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "squared"},
        {"strategy": "recursive"},
        {"cell": "elman", "activation": "relu", "num_layers": 2},
        {"dtype": "float64"},
        {"optimizer": adam(beta1=0.5), "schedule": "step"},
        {"quantiles": np.array([0.2, 0.8])},
        {"validation": 0.0},
    ],
    ids=repr,
)
def test_every_kind_of_model_can_be_kept(changes, path):
    model = small(**changes).fit(wave(60))
    model.save(path)
    assert np.array_equal(load(path).predict_quantiles(wave(60)), model.predict_quantiles(wave(60)))


def test_the_engine_is_the_machines(path):
    fitted().save(path)
    assert load(path, engine="numpy").engine_ == "numpy"


def test_a_cell_of_ones_own_is_handed_in(path):
    own = replace(cells.GRU, name="own")
    small(cell=own).fit(wave()).save(path)
    assert load(path, cells=[own]).fitted_.cell == own
    with pytest.raises(CellError, match="own"):
        load(path)


def test_a_place_that_cannot_be_written_to(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        fitted().save(tmp_path / "nowhere" / "model")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- damaged files


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file(share, path):
    fitted().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match="is damaged or incomplete" if share else "is no model file"):
        load(path)


def pack():
    """The tensors and the metadata of a panel's model."""
    tensors, metadata = model_file.pack(of_shops().fitted_)
    return tensors, json.loads(json.dumps({"format": 1, **metadata}))


def places(value, place=()):
    """The place of every value in metadata, as its keys one after another."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*place, key))


def write(path, tensors, metadata):
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    path.write_bytes(to_bytes(contiguous, metadata={"throughtime": json.dumps(metadata)}))


@pytest.mark.parametrize("value", [None, -1, 1.5, "x", [], {}, 10**30, math.nan], ids=repr)
def test_a_file_with_another_value_anywhere_is_refused_or_works(value, path):
    """Whatever stands there, loading and forecasting either work or say in our own words what is wrong."""
    tensors, metadata = pack()
    everywhere = list(places(metadata))[1:]
    refused = 0
    for place in everywhere:
        changed = copy.deepcopy(metadata)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        write(path, tensors, changed)
        refused += not works(path)
    assert refused > len(everywhere) / 2


def works(path):
    """Whether the file can be forecast with; if not, an error of ours has said so, and any other one fails."""
    with contextlib.suppress(InputError):
        return len(load(path).predict(shop(more=3))["sales"]) == 6
    return False


def changed_tensor(name, change):
    tensors, metadata = pack()
    value = tensors.pop(name)
    if change is not None:
        tensors[name] = change(value)
    return tensors, metadata


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("recurrent.0.U", None),
        ("recurrent.0.U", lambda w: w.T),
        ("recurrent.0.U", lambda w: w.astype(np.float16)),
        ("recurrent.0.U", lambda w: w * np.nan),
        ("shifts", None),
        ("shifts", lambda w: w[:-1]),
        ("scale.mean", lambda w: w[:-1]),
        ("scale.size", lambda w: w[:, :0]),
        ("scale.size", lambda w: 0 * w),
        ("scale.size", lambda w: -w),
        ("history.loss", None),
    ],
)
def test_a_tensor_that_does_not_fit(name, change, path):
    write(path, *changed_tensor(name, change))
    with pytest.raises(ModelFileError, match="damaged"):
        load(path)


def test_a_key_that_is_missing(path):
    tensors, metadata = pack()
    keys = [place for place in places(metadata) if place and isinstance(place[-1], str)]
    needed = [place for place in keys if place[0] != "parameters" or len(place) == 1]  # those have defaults
    assert len(needed) > 40
    for place in needed:
        changed = copy.deepcopy(metadata)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        del inner[place[-1]]
        write(path, tensors, changed)
        with pytest.raises(ModelFileError, match=r"damaged|does not know"):
            load(path)


class BrokenOff(Callback):
    """Ends the training by the key that does, at step 7."""

    def on_step(self, run):
        if run.step == 7:
            raise KeyboardInterrupt


def test_a_training_that_was_broken_off_is_told_with_every_forecast(tmp_path, capsys):
    said = (
        "the model is unfinished: its training was broken off after 7 of 20 steps, and its intervals are not calibrated"
    )
    model = small(season=7, callbacks=[BrokenOff(), ModelCheckpoint(tmp_path / "m", every=7)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(wave())
    model.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert (loaded.coverage_, loaded.planned_steps_) == (None, 20)
    for found, verbose in ((model, 1), (loaded, 1), (loaded, 0)):
        found.set_params(verbose=verbose)
        for method in (found.predict, found.predict_quantiles, found.evaluate):
            method(wave())
            assert capsys.readouterr().err == f"{said}\n" * verbose


def test_nothing_is_told_of_a_training_that_came_to_its_end(tmp_path, capsys):
    early = {"early_stopping": True, "patience": 1, "max_steps": 500, "learning_rate": 0.3}
    for changes in ({}, early):
        model = small(season=7, **changes).fit(wave())
        assert changes == {} or len(model.history_.loss) < 500
        model.save(tmp_path / "m")
        loaded = load(tmp_path / "m")
        for found in (model, loaded.set_params(verbose=1)):
            assert found.planned_steps_ is None
            found.predict(wave())
        assert capsys.readouterr().err == ""


def test_a_file_that_does_not_tell_its_plan_is_used_all_the_same(tmp_path):
    fitted().save(tmp_path / "m", slim=True)
    assert load(tmp_path / "m").planned_steps_ is None
    model = load(tmp_path / "m")
    for told in ([], {"plan": 5}, {"plan": {"max_steps": "many"}}):
        model._stored = model.network_, {}, told
        assert model.planned_steps_ is None
