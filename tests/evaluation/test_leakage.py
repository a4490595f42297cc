"""The leak test: nothing at or after a forecast origin reaches its window, with every option on."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.params import PreprocessParams, WindowParams
from spline_lstm.core.params_data import DriftParams, OutliersParams, SmoothingParams, SplitParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import parse_schema
from spline_lstm.evaluation.leakage import (
    CHANGES,
    audit,
    build,
    compare,
    draw_instants,
    exposed_rows,
    perturb,
    rebuilder,
)
from spline_lstm.series import fills
from spline_lstm.series.training_split import TrainingSplit
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tables.synthetic import stores
from tests.builders import hours, make_preprocess_params, make_schema, make_table

SCHEMA = parse_schema(
    """{"version": 1, "timestamp_col": "timestamp", "series_col": "store_id",
    "target_cols": ["demand"],
    "dynamic_covariates": [
      {"name": "temp"}, {"name": "sensor", "missing": "ffill"},
      {"name": "promo", "dtype": "boolean", "known_future": true},
      {"name": "sky", "dtype": "categorical"}],
    "static_covariates": [{"name": "region", "dim": 2}, {"name": "store_id", "dim": 2}],
    "calendar_features": {"enabled": true, "features": ["hour_sin", "is_holiday"],
      "country": "DE"}}""",
    "schema",
)
WINDOW = WindowParams(lookback=30, horizon=6, stride=1, embargo=None, materialize=False)


@cache
def panel(n_stores=3, days=24, seed=0):
    frame = stores(
        n_stores=n_stores,
        days=days,
        seed=seed,
        missing=0.1,
        outliers=0.02,
        jitter_s=1700,
        duplicates=0,
    )
    rng = np.random.default_rng(seed)
    frame["sensor"] = np.where(
        rng.random(len(frame)) < 0.3, np.nan, rng.normal(size=len(frame)).round(3)
    )
    frame["sky"] = rng.choice(["sun", "rain", ""], len(frame))
    content = frame.drop(columns="truth").to_csv(index=False).encode()
    return read_raw_table(content, SCHEMA, where="panel", reading=Reading(duplicates="last"))


def preprocess_params(**changes):
    values = {
        "feature_mode": "multivariate",
        "frequency": "1h",
        "snap": 0.5,
        "fill": "seasonal",
        "season": 24,
        "max_gap": 24,
        "was_missing": True,
        "outliers": OutliersParams(method="replace", window=48, threshold=5.0),
        "smoothing": SmoothingParams(method="channel", strength=5.0),
        "scaler": "standard",
        "scaler_scope": "per_series",
        "max_missing": 0.5,
        "longest_gap": None,
        "min_rows": 1,
        "split": SplitParams(train=0.5, validation=0.25, dates=None),
        "drift": DriftParams(mean_shift=1, std_ratio=2, psi=1, ks=1),
        **changes,
    }
    return PreprocessParams(**values)


def test_no_window_changes_with_every_option_on_at_200_origins_per_split():
    result = audit(panel(), SCHEMA, preprocess_params(), WINDOW, origins=90)
    assert min(result.compared.values()) >= 200
    assert result.differences == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"fill": "linear"},
        {"fill": "pchip", "scaler": "robust"},
        {"fill": "akima", "scaler": "minmax", "scaler_scope": "global"},
        {"fill": "cubic", "scaler": "none"},
        {"season": None},
        {"snap": 0.1},
        {"snap": 0.3, "fill": "pchip"},
        {"smoothing": SmoothingParams(method="replace", strength=None)},
        {"outliers": OutliersParams(method="mark", window=24, threshold=4.0)},
    ],
    ids=str,
)
def test_no_window_changes_with_any_method(changes):
    result = audit(panel(), SCHEMA, preprocess_params(**changes), WINDOW, origins=6)
    assert min(result.compared.values()) >= 6
    assert result.differences == ()


DELAYED = SCHEMA.model_copy(
    update={
        "dynamic_covariates": tuple(
            item.model_copy(update={"delay": {"temp": 3, "sensor": 30, "sky": 1}.get(item.name, 0)})
            for item in SCHEMA.dynamic_covariates
        )
    }
)


@pytest.mark.parametrize(
    "changes",
    [{}, {"fill": "pchip", "scaler_scope": "global", "scaler": "robust"}],
    ids=["everything", "pchip"],
)
def test_no_window_changes_with_what_is_published_late(changes):
    result = audit(panel(), DELAYED, preprocess_params(**changes), WINDOW, origins=20)
    assert min(result.compared.values()) >= 20
    assert result.differences == ()


def test_values_that_are_used_before_they_are_published_are_caught(monkeypatch):
    monkeypatch.setattr(fills, "delayed", lambda column, *_: column)
    result = audit(panel(), DELAYED, preprocess_params(), WINDOW, origins=6)
    found = {name for difference in result.differences for name in difference.features}
    assert {"temp", "sensor", "temp_smooth", "sensor_smooth"} <= found
    assert not {name for name in found if name.startswith(("demand", "promo", "hour"))}
    assert len(result.differences) == sum(result.compared.values())


def test_constants_of_what_is_published_late_are_caught_if_they_know_too_much(monkeypatch):
    monkeypatch.setattr(TrainingSplit, "known_at_end", lambda self, delay: self)
    window = WINDOW.model_copy(update={"embargo": 0})
    params = preprocess_params(scaler_scope="global")
    table = panel()
    preprocessor, arrays = build(table, DELAYED, params)
    result = compare(table, arrays, preprocessor, window, rebuilder(preprocessor), 40, 0)
    assert {difference.split for difference in result.differences} == {"validation"}
    assert {name.removesuffix("_smooth") for name in result.differences[0].features} <= {
        *("temp", "sensor", "sky=rain", "sky=sun")
    }


def test_a_planted_two_sided_smoother_is_caught():
    table, params = panel(), preprocess_params()
    preprocessor, _ = build(table, SCHEMA, params)

    def leaky(changed):
        values = changed.values.copy()
        pairs = (values[:-1, 0] + values[1:, 0]) / 2
        values[:-1, 0] = np.where(np.isnan(pairs), values[:-1, 0], pairs)
        return dataclasses.replace(changed, values=values)

    honest = rebuilder(preprocessor)
    reference, arrays = build(leaky(table), SCHEMA, params)

    def rebuild(changed, split, until):
        return honest(leaky(changed), split, until)

    with np.errstate(invalid="ignore"):
        result = compare(table, arrays, reference, WINDOW, rebuild, 6, 0)
    caught = {
        difference.split for difference in result.differences if "demand" in difference.features
    }
    assert {"validation", "test"} <= caught


def test_a_planted_two_sided_fill_changes_a_quarter_of_100_windows():
    """Every 40th value is missing, and its fill is used from its own row on, too early."""
    table = panel(n_stores=1, days=200, seed=1)
    values = table.values.copy()
    values[:, 0] = np.where(np.arange(len(values)) % 40 == 0, np.nan, values[:, 0])
    table = dataclasses.replace(table, values=values)
    params = preprocess_params(
        feature_mode="univariate",
        fill="linear",
        was_missing=False,
        outliers=OutliersParams(method="off", window=48, threshold=5.0),
        smoothing=SmoothingParams(method="off", strength=None),
        scaler_scope="global",
    )

    def leaky(arrays):
        own_row = np.arange(len(arrays.timestamps), dtype=np.int32)[:, None]
        return dataclasses.replace(arrays, known_at=np.minimum(arrays.known_at, own_row))

    preprocessor, arrays = build(table, SCHEMA, params)
    honest = rebuilder(preprocessor)
    for seed in range(3):
        result = compare(table, leaky(arrays), preprocessor, WINDOW,
                         lambda *arguments: leaky(honest(*arguments)), 34, seed)  # fmt: skip
        assert sum(result.compared.values()) == 102
        assert len(result.differences) >= 25
        assert compare(table, arrays, preprocessor, WINDOW, honest, 10, seed).differences == ()


def test_half_of_the_instants_are_exposed_and_the_seed_decides_which():
    timestamps = np.repeat(np.arange(100), 2)
    exposed = (timestamps % 10 == 0) & (np.arange(200) % 2 == 0)
    drawn, again = (
        draw_instants(timestamps, exposed, 12, np.random.default_rng(0)) for _ in range(2)
    )
    assert drawn.tolist() == again.tolist()
    assert len(set(drawn.tolist())) == 12
    assert (drawn[:6] % 10 == 0).all()
    few = draw_instants(timestamps, timestamps == 7, 12, np.random.default_rng(0))
    assert few[0] == 7
    assert len(set(few.tolist())) == 12
    assert len(draw_instants(timestamps, exposed, 500, np.random.default_rng(0))) == 100


def test_rows_after_a_fill_or_a_replaced_outlier_are_exposed():
    values = np.random.default_rng(0).normal(size=100)
    values[[40, 41]] = np.nan
    values[60] = 100.0
    params = make_preprocess_params(
        outliers=OutliersParams(method="replace", window=24, threshold=6.0)
    )
    table = make_table({"": (hours(100), values)})
    preprocessor, _ = build(table, make_schema(), params)
    assert np.flatnonzero(exposed_rows(table, preprocessor)).tolist() == [41, 42, 61]


@pytest.mark.parametrize("count", ["0", "-3", "two"])
def test_fewer_than_one_origin_is_refused(count, capsys):
    with pytest.raises(SystemExit) as error:
        main(["audit-leakage", "--origins", count])
    assert error.value.code == 2
    assert "--origins" in capsys.readouterr().err


def test_a_scaler_fitted_on_everything_is_caught():
    table, params = panel(), preprocess_params(scaler_scope="global")
    preprocessor, arrays = build(table, SCHEMA, params)
    end = int(table.timestamps.max()) + 1

    def leaky(changed, split, until):
        return build(changed, SCHEMA, params, instants=np.array([end, end]), until=until)[1]

    result = compare(table, arrays, preprocessor, WINDOW, leaky, 4, 0)
    assert {difference.split for difference in result.differences} == {
        "train",
        "validation",
        "test",
    }


def test_validation_and_test_change_no_training_window_or_constant():
    table, params = (
        panel(),
        preprocess_params(smoothing=SmoothingParams(method="replace", strength=None)),
    )
    preprocessor, _ = build(table, SCHEMA, params)
    instants = preprocessor.split_instants
    begin = int(instants[0])
    known = np.zeros(len(table.columns), dtype=bool)
    for change in CHANGES:
        changed = perturb(table, begin, change, known, np.random.default_rng(1))
        other, _ = build(changed, SCHEMA, params, instants=instants, until=begin)
        assert other.to_json() == preprocessor.to_json()


def test_every_change_touches_nothing_before_the_instant_and_everything_after():
    table = panel()
    instant = int(np.median(table.timestamps))
    known = np.array([name == "promo" for name in table.columns])
    for change in CHANGES:
        changed = perturb(table, instant, change, known, np.random.default_rng(0))
        before, still = table.timestamps < instant, changed.timestamps < instant
        np.testing.assert_array_equal(changed.timestamps[still], table.timestamps[before])
        np.testing.assert_array_equal(changed.values[still], table.values[before])
        if change == "values":
            after = changed.values[~still]
            np.testing.assert_array_equal(after[:, known], table.values[~before][:, known])
            assert not np.isin(after[:, 0], table.values[~before][:, 0]).any()
