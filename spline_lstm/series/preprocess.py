"""Raw table to as-of arrays: check the data contract, fit, apply, report the quality."""

import shutil
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.errors import SchemaError
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import AS_WRITTEN, Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.series.apply import apply, find_outliers
from spline_lstm.series.features import calendar_names, check_names
from spline_lstm.series.fit import fit
from spline_lstm.series.grid import lay_out
from spline_lstm.series.panel import select_series
from spline_lstm.series.quality import check_size, check_targets, quality_report
from spline_lstm.series.splits import split_instants, with_snap
from spline_lstm.series.table_facts import TableFacts
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor


@dataclass(frozen=True)
class Preprocessed:
    """Results of preprocessing.

    Attributes
    ----------
    arrays : AsOfArrays
    preprocessor : Preprocessor
        All that turns raw history into X again.
    quality : dict
        The quality report, ready for JSON.
    table : RawTable
        Of the series that are long enough.
    """

    arrays: AsOfArrays
    preprocessor: Preprocessor
    quality: dict[str, Any]
    table: RawTable

    def write(self, pipeline: Pipeline) -> "Preprocessed":
        """Write arrays and constants; what there is to draw."""
        self.arrays.save(pipeline.processed)
        shutil.rmtree(pipeline.array_folder, ignore_errors=True)
        self.preprocessor.save(pipeline.preprocessor)
        return self


def preprocess(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    *,
    where: str,
    clock: Clock | None = None,
    reading: Reading = AS_WRITTEN,
    options: TargetOptions = PLAIN,
    instants: Int[np.ndarray, " two"] | None = None,
    needed: int = 1,
    short_series: str = "skip",
) -> Preprocessed:
    """Build the as-of arrays of all series, check the contract, report the quality.

    Parameters
    ----------
    table : RawTable
    schema : Schema
    params : PreprocessParams
    where : str
        Name of the raw table in error messages.
    clock : Clock
        Bound to the table; by default that of `params`, in the time zone of `reading`.
    reading : Reading
        How the table was read, so that serving reads history the same way.
    options : TargetOptions
        Transform and channels of the targets.
    instants : [2] int64
        Starts of the validation and the test split; by default as `params.split` says.
    needed, short_series
        See `select_series`; with ``error``, a constant series is an error, too.

    Raises
    ------
    DataContractError
        Too few rows, too many missing, a gap that is too long, a constant target, a target that its
        transform does not go with, or a cadence that does not fit the grid; every rule that is
        broken, with the quality report.
    SchemaError
        An index where the schema has instants or calendar features, or the other way round; or a
        column that is named like a feature that is made of another one.
    TooLittleDataError
        See `select_series` and `fit`.
    """
    clock = clock or bind(params.clock(reading.time_zone), table.timestamps)
    check_clock(clock, schema, params)
    check_names(schema, params, options)
    selection = select_series(
        table,
        clock,
        schema.target_cols,
        snap=params.snap,
        needed=needed,
        policy=short_series,
        where=where,
    )
    # Whether a series lasts long enough may be decided after the training split, so all series
    # count in what is fitted on it: the windows of one must not tell how long another goes on.
    panel, table = table, selection.table
    layout = lay_out(table, clock, params.snap)
    instants = split_instants(layout, params.split) if instants is None else instants
    whole = layout if table is panel else lay_out(panel, clock, params.snap)
    whole, params = with_snap(whole, params, instants)
    layout = replace(layout, snap=whole.snap)
    facts = TableFacts.of(table, clock)
    check_size(facts, layout.rows, clock, params, where)
    outliers = find_outliers(panel, schema, params)
    preprocessor = fit(
        panel,
        schema,
        params,
        whole,
        instants=instants,
        outliers=outliers,
        reading=reading,
        options=options,
    ).of_series(table.series_names)
    if table is not panel:
        outliers = find_outliers(table, schema, params)
    applied = apply(table, preprocessor, layout=layout, outliers=outliers, assess=True)
    short = selection.short
    preprocessor = replace(
        preprocessor, short_series=short_series, skipped={each.name: each.rows for each in short}
    ).identified()
    quality = quality_report(facts, applied.arrays, applied.columns, preprocessor, short)
    check_targets(applied.columns, preprocessor, where, quality)
    return Preprocessed(applied.arrays, preprocessor, quality, table)


def check_clock(clock: Clock, schema: Schema, params: PreprocessParams) -> None:
    """Raise SchemaError unless clock and schema both have instants, or both whole numbers."""
    if (clock.kind == "index") != schema.is_indexed:
        found, example = ("whole numbers", "index 10") if schema.is_indexed else ("instants", "1h")
        raise SchemaError(
            f"the timestamps of the schema are {found}, but preprocess.frequency is "
            f"{clock.frequency}; set it to the step of the data, such as {example}, or correct "
            "table_format.timestamp_format"
        )
    names = calendar_names(schema, params)
    if clock.kind == "index" and names:
        raise SchemaError(
            f"preprocess.frequency {clock.frequency} counts rows, which have no calendar, but the "
            f"schema has the calendar features {', '.join(names)}; set calendar_features.enabled "
            "to false, or bring timestamps"
        )
