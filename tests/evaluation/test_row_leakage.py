from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.evaluation.row_leakage import audit_rows
from spline_lstm.rows.preprocess import preprocess_rows
from spline_lstm.rows.transforms import fit_standard
from tests.rows.tables import KINDS, frame, schema_of, table_of


def audited(preprocess=preprocess_rows, **params):
    schema = schema_of(**KINDS)
    given = TabularParams(**{"target": "y", **params})
    return audit_rows(
        table_of(frame(), schema), schema, given, where="t.csv", preprocess=preprocess
    )[1]


@pytest.mark.parametrize("numbers", ["quantile", "standard"])
@pytest.mark.parametrize("split", ["random", "stratified"])
def test_no_constant_sees_rows_of_validation_or_test(numbers, split):
    assert audited(numbers=numbers, split=split) == []


def leaky(table, schema, params, **given):
    """Standardises one number by all rows."""
    result = preprocess_rows(table, schema, params, **given)
    constants = fit_standard(np.asarray(table.columns["z"], dtype=np.float64))
    transforms = {**result.preprocessor.transforms, "z": constants}
    return replace(result, preprocessor=replace(result.preprocessor, transforms=transforms))


def test_a_constant_that_sees_validation_rows_is_caught_and_named():
    assert audited(leaky) == ["numbers.z"]
