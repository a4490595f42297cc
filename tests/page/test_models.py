"""Registered models as tables."""

import pytest

from spline_lstm.core.errors import StoreError
from spline_lstm.page.models import comparison_with, metrics_of, models_frame, refusal
from spline_lstm.store.registry import Registry
from tests.page.examples import store_of
from tests.store.examples import make_model


def test_a_row_per_model_with_the_metrics_that_some_have(full):
    table = models_frame(Registry(store_of(full).registry).models())
    assert table["model_id"].tolist() == ["other", "failed-1", "model"]
    assert table.set_index("model_id")["rmse"].dropna().to_dict() == {"other": 1.5, "model": 2.0}
    assert "auc" not in table
    assert set(table["git_commit"].str.len()) == {10}


def test_what_a_promotion_changes_is_side_by_side():
    model = make_model(model_id="new", metrics_json='{"rmse": 1.0, "beats": true, "name": "x"}')
    table = comparison_with(model, make_model())
    assert table.to_dict() == {"this model": {"rmse": 1.0}, "promoted now": {"rmse": 2.0}}
    assert list(comparison_with(model, None)) == list(comparison_with(model, model))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("registered", ""),
        ("retired", ""),
        ("failed", "its training failed"),
        ("promoted", "it is promoted already"),
    ],
)
def test_what_cannot_be_promoted_says_why(status, reason):
    assert refusal(make_model(status=status)) == reason


def test_nested_metrics_are_left_out():
    model = make_model(metrics_json='{"rmse": 1, "splits": [1], "horizon": {"1": 2}}')
    assert metrics_of(model) == {"rmse": 1}


def test_a_damaged_row_is_one_line():
    with pytest.raises(StoreError, match="metrics_json of model aaaa1111 is damaged"):
        metrics_of(make_model(metrics_json="{"))
