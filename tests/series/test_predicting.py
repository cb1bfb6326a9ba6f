"""Forecasts: kinds of tables, batches, strategies, what is refused, and what is not invented."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.forecasters import ROLES, days, fitted, of_shops, shop, small, wave
from tests.tolerances import ROWS, assert_close

from throughtime import Forecaster, load
from throughtime.errors import DataError, ParameterError
from throughtime.series.features import Scale
from throughtime.series.panel import Series


def dated(steps=60, start="2024-01-01"):
    return {"day": days(steps, start), "y": wave(steps)}


def called_a(y):
    """A table of one series that has a name, by which it is known again."""
    return {"s": ["a"] * len(y), "y": y}


@pytest.fixture(scope="module")
def by_day():
    return small(time="day").fit(dated())


# ---------------------------------------------------------------------- kinds


def test_every_kind_of_table_gives_the_same_numbers():
    mapping = dated()
    model = small(time="day")
    found = model.fit(mapping).predict()
    assert list(found) == ["day", "y", "y_0.1", "y_0.9"]
    assert [str(day)[:10] for day in found["day"]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    for kind in (pd.DataFrame, pl.DataFrame):
        frame = model.fit(kind(mapping)).predict()
        assert type(frame) is kind
        assert list(frame.columns) == list(found)
        for name in ("y", "y_0.1", "y_0.9"):
            assert np.array_equal(frame[name].to_numpy(), found[name]), name
        assert np.array_equal(frame["day"].to_numpy(), found["day"])


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pl.DataFrame])
def test_a_panel_of_every_kind_gives_the_same_numbers(kind):
    found = small(**ROLES).fit(kind(shop())).predict(kind(shop(more=3)))
    assert type(found) is kind
    expected = of_shops().predict(shop(more=3))
    for name, column in expected.items():
        assert np.array_equal(np.asarray(found[name]), column), name
    assert list(expected["shop"]) == ["north"] * 3 + ["south"] * 3
    assert str(expected["day"][3])[:10] == "2024-02-15"


def test_arrays_give_the_same_numbers_as_a_table_without_times():
    found = small(season=7).fit({"y": wave()}).predict()
    assert list(found) == ["step", "y", "y_0.1", "y_0.9"]
    assert found["step"].tolist() == [1, 2, 3]
    for one in (wave(), wave()[:, None], list(wave()), pd.Series(wave()), pl.Series(wave())):
        assert np.array_equal(small(season=7).fit(one).predict(), found["y"])
    assert np.array_equal(fitted().predict_quantiles()[0, :, 0, 2], found["y_0.9"])


def test_several_arrays():
    data = [wave(60), wave(90, seed=1)]
    model = small().fit(data)
    assert model.predict().shape == (2, 3)
    assert small().fit(np.stack([wave(60)] * 2)[..., None]).predict().shape == (2, 3)
    assert small().fit(np.ones((2, 60, 2)) * wave(60)[:, None]).predict().shape == (2, 3, 2)
    assert model.predict_quantiles().shape == (2, 3, 1, 3)


def test_integers_and_months_go_on():
    found = small(time="t").fit({"t": np.arange(0, 100, 2), "y": wave(50)}).predict()
    assert found["t"].tolist() == [100, 102, 104]
    months = np.arange("2020-01", "2024-01", dtype="datetime64[M]").astype("datetime64[D]") + 27
    found = small(time="t").fit({"t": months, "y": wave(48)}).predict()
    assert found["t"].astype("datetime64[D]").astype(str).tolist() == ["2024-01-28", "2024-02-28", "2024-03-28"]


def test_business_days_go_on_over_weekends():
    days_of_work = np.busday_offset("2024-01-01", np.arange(60))
    model = small(time="day").fit({"day": days_of_work, "y": wave(60)})
    assert (model.fitted_.frequency, model.season_) == ("B", 5)
    assert model.predict()["day"].astype("datetime64[D]").astype(str).tolist() == [
        "2024-03-25",
        "2024-03-26",
        "2024-03-27",
    ]
    friday = {"day": days_of_work[:-1], "y": wave(59)}
    assert [str(day)[:10] for day in model.predict(friday)["day"]] == ["2024-03-22", "2024-03-25", "2024-03-26"]


# ---------------------------------------------------------------------- places that never have a value


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("reference", ["auto", "mean", "last", "season", "profile", "recent"])
def test_weekends_without_values_have_a_forecast(reference, strategy):
    """Of business days counted as days, where no Saturday ever had a value."""
    table = {"day": np.busday_offset("2024-01-01", np.arange(100)), "y": wave(100)}
    model = small(7, time="day", frequency="D", reference=reference, strategy=strategy).fit(table)
    assert model.season_ == 7
    quantiles = model.predict_quantiles()
    assert np.isfinite(quantiles).all()
    assert (np.abs(quantiles - 20) < 40).all()


@pytest.mark.parametrize("reference", ["season", "profile"])
def test_where_a_place_of_the_season_never_had_a_value_the_last_one_is_expected(reference):
    y = np.arange(24.0)
    y[3::4] = np.nan
    prepared = (
        small(4, season=4, reference=reference)
        .fit(y)
        .fitted_.features.of(
            Series(None, y[:, None], np.zeros((24, 0)), np.zeros((24, 0))), Scale(np.zeros(1), np.ones(1))
        )
    )
    before = [20, 21, 22] if reference == "season" else [10, 11, 12]
    assert prepared.reference_at(22)[:, 0].tolist() == [22, *before]


def test_a_forecast_that_is_no_number():
    y = wave()
    y[-5:] = [1e308, -1e308] * 2 + [1e308]
    with np.errstate(all="ignore"), pytest.raises(DataError) as caught:
        fitted().predict(y)
    assert str(caught.value) == (
        "the forecast of column 'y0' of the series is no number: its values are too large to compute with; leave the "
        "series out, or give others"
    )


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_other_series_do_not_matter(strategy):
    """Bit for bit, whatever else is in the panel."""
    model = small(season=7, engine="compiled", strategy=strategy).fit([wave(100), wave(80, seed=1)])
    random = np.random.default_rng(0)
    data = [wave(int(steps), seed) for seed, steps in enumerate(random.integers(10, 300, 40))]
    together = model.predict_quantiles(data)
    for n in (0, 7, 39):
        assert np.array_equal(model.predict_quantiles([data[n]])[0], together[n])
    order = random.permutation(40)
    assert np.array_equal(model.predict_quantiles([data[n] for n in order]), together[order])


def test_more_series_than_are_read_at_once():
    model = small(season=7, engine="compiled").fit(wave())
    data = [wave(20 + n % 50, seed=n) for n in range(600)]
    assert np.array_equal(model.predict(data)[300:301], model.predict(data[300:301]))


# ---------------------------------------------------------------------- strategies


def test_recursive_is_direct_for_one_step():
    direct, recursive = (small(1, strategy=strategy).fit(wave()) for strategy in ("direct", "recursive"))
    assert np.array_equal(direct.predict(), recursive.predict())
    assert_close(direct.predict_quantiles(), recursive.predict_quantiles(), ROWS["float64"])


def test_a_recursive_forecast_goes_on_from_its_own():
    """The second step is the first one of the series with the first step's forecast behind it."""
    model = small(2, strategy="recursive", validation=0.0, series="s").fit(called_a(wave()))
    first, second = model.predict()["y"]
    assert model.predict(called_a(np.append(wave(), first)))["y"][0] == second


def test_a_recursive_forecast_of_a_table_reads_the_calendar_and_what_is_known_ahead():
    table = shop(more=3)
    model = small(**ROLES, strategy="recursive").fit(shop())
    found = model.predict(table)["sales"]
    changed = table | {"price": table["price"].copy()}
    changed["price"][62] += 1  # the last day ahead in the north
    other = model.predict(changed)["sales"]
    assert found[:2].tolist() == other[:2].tolist()
    assert found[2] != other[2]
    assert found[3:].tolist() == other[3:].tolist()


# ---------------------------------------------------------------------- what is given


def test_without_data_those_of_fit_are_gone_on_with():
    alone, among = small(season=7).fit(wave()), small(season=7).fit([wave()])
    assert np.array_equal(alone.predict(), among.predict()[0])  # both in the scale that was learned
    by_name, table = small(**ROLES).fit(shop(more=3)), shop(more=3)
    assert np.array_equal(by_name.predict()["sales"], by_name.predict(table)["sales"])


def test_only_the_context_is_read_by_the_network():
    model = small(context=10, reference="last", validation=0.0, series="s").fit(called_a(wave()))
    longer = model.predict(called_a(np.concatenate([wave(30, 5), wave()])))
    assert np.array_equal(model.predict()["y"], longer["y"])


def test_a_series_that_was_not_learned_is_forecast_in_its_own_scale():
    other = shop(more=3)
    other["sales"], other["shop"] = other["sales"] * 1000, np.char.add("new ", other["shop"])
    found = of_shops().predict(other)["sales"]
    known = shop(more=3)["sales"][[59] * 3 + [107] * 3] * 1000
    assert (np.abs(found / known - 1) < 0.2).all()


@pytest.mark.parametrize("reference", ["mean", "last"])
def test_a_series_without_a_name_is_forecast_in_its_own_scale(reference):
    model = small(season=7, reference=reference).fit(wave())
    one, other = wave(seed=1), 1000 * wave(seed=1) + 5
    assert_close((model.predict(other) - 5) / 20_000, model.predict(one) / 20, ROWS["float32"])
    assert np.array_equal(model.predict([one, other])[0], model.predict(one))


def test_missing_values_are_passed_over():
    y = wave()
    y[[30, 50, 119]] = np.nan
    y[40:60] = np.nan
    found = small(season=7).fit(y).predict()
    assert np.isfinite(found).all()


def test_a_column_without_any_value_has_no_forecast():
    for reference in ("mean", "last"):
        model = small(reference=reference).fit(np.stack([wave(), np.full(120, np.nan)], axis=1))
        for method in (model.predict, model.predict_quantiles, model.plot):
            with pytest.raises(DataError) as caught:
                method()
            assert str(caught.value) == (
                "column 'y1' of the series has no value to forecast from; leave the series out, or the column"
            )
        assert np.isfinite(model.predict(np.stack([wave(), wave(seed=1)], axis=1))).all()


def test_rows_that_are_not_there_count_as_missing_where_a_frequency_is_given():
    table = dated()
    table["y"][[10, 20]] = np.nan
    gaps = {name: np.delete(column, [10, 20]) for name, column in table.items()}
    expected = small(time="day").fit(table).predict()
    found = small(time="day", frequency="D").fit(gaps).predict()
    assert np.array_equal(found["y"], expected["y"])


# ---------------------------------------------------------------------- what is refused


def refused(model, data, message, kind=DataError):
    with pytest.raises(kind) as caught:
        model.predict(data)
    assert str(caught.value) == message


def test_a_series_that_is_too_short():
    refused(
        fitted(),
        wave(7),
        "the series has 7 steps; a forecast needs a season and a step before it, 8",
    )


@pytest.mark.parametrize("frequency", [None, "D"])
def test_a_row_ahead_without_a_value(frequency):
    table = shop(more=3)
    table["price"][61] = np.nan
    refused(
        small(**ROLES, frequency=frequency).fit(shop()),
        table,
        "column 'price' is known ahead, but has no value at 2024-03-02 of the series 'north' (row 62); give it one",
    )
    steps = {"y": [*wave(), np.nan, np.nan, np.nan], "price": [*wave(122, seed=1), np.nan]}
    refused(
        small(target="y", future="price").fit(steps),
        steps,
        "column 'price' is known ahead, but has no value 3 steps after the end of the series (row 123); give it one",
    )


def test_a_row_ahead_that_is_left_out_is_missing():
    table = {name: np.delete(column, 61) for name, column in shop(more=3).items()}
    refused(
        small(**ROLES, frequency="D").fit(shop()),
        table,
        "column 'price' is known ahead, but of the 3 steps after the end of the series 'north' 1 is missing; give "
        "rows for them, with the target left empty",
    )


def test_what_should_be_known_ahead_is_missing():
    refused(
        of_shops(),
        shop(more=2),
        "column 'price' is known ahead, but of the 3 steps after the end of the series 'north' 1 is missing; give "
        "rows for them, with the target left empty",
    )
    refused(
        of_shops(),
        None,
        "column 'price' is known ahead, but of the 3 steps after the end of the series 'north' 3 are missing; give "
        "rows for them, with the target left empty",
    )


def test_a_category_that_was_never_seen():
    table = shop(more=3)
    table["kind"] = np.where(table["shop"] == "south", "tiny", "big")
    refused(
        of_shops(),
        table,
        "the static column 'kind' of the series 'south' is 'tiny', a category that the model never saw; it knows "
        "'big' and 'small'",
    )


def test_a_column_is_missing():
    table = shop(more=3)
    del table["visits"]
    refused(
        of_shops(),
        table,
        "there is no column 'visits'; the columns are 'shop', 'day', 'sales', 'price', 'kind' and 'size'",
    )


def test_times_of_another_frequency_or_with_gaps(by_day):
    weekly = dated() | {"day": days(420)[::7]}
    refused(
        by_day,
        weekly,
        "the times of the series are irregular: after 2024-01-01 comes 2024-01-08, where steps of D are what the model "
        "learned; train the model with frequency (--frequency), such as 'D', to count what is between them as missing",
    )
    gaps = {name: np.delete(column, 5) for name, column in dated().items()}
    with pytest.raises(
        DataError, match="after 2024-01-05 comes 2024-01-07, where steps of D are what the model learned"
    ):
        by_day.predict(gaps)
    with pytest.raises(ParameterError, match="frequency 'D' does not go with times that are integers"):
        by_day.predict({"day": np.arange(60), "y": wave(60)})


def test_arrays_for_a_model_of_tables(by_day):
    refused(by_day, wave(), "the model reads the calendar in column 'day', which arrays do not have; give a table")
    refused(
        of_shops(),
        wave(),
        "the model learned the columns 'sales', 'visits', 'price', 'kind' and 'size', got arrays of 1 column",
    )
    plain = small(time="day", calendar=False).fit(dated())
    assert np.array_equal(plain.predict(wave(60)), plain.predict(dated())["y"])


def test_arrays_with_another_number_of_columns():
    refused(
        fitted(),
        np.ones((50, 2)),
        "the model learned the columns 'y0', got arrays of 2 columns",
    )


def test_a_loaded_model_has_no_series(tmp_path):
    fitted().save(tmp_path / "model")
    refused(
        load(tmp_path / "model"),
        None,
        "a model that was loaded does not hold the series that it learned from; give them",
    )


def test_a_usual_season_that_no_series_has_twice_is_not_taken():
    minutes = np.datetime64("2024-01-01T00:00", "s") + np.arange(200) * np.timedelta64(60, "s")
    table = {"time": minutes, "y": np.sin(np.arange(200) / 5)}
    model = Forecaster(2, time="time", hidden_size=4, max_steps=2, random_state=1, verbose=0).fit(table)
    assert model.season_ == 1
    assert np.isfinite(model.predict()["y"]).all()
