"""Trainings of one table with many params, none of which reads a test row.

What trials have in common is computed once: arrays and windows of equal params of preprocessing,
and the linear part of equal windows. All trainings run in one process, so that equal programs are
compiled once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from spline_lstm.core.artifacts import content_id
from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.reading import Reading
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.core.schema import Schema, load_schema
from spline_lstm.series.grid import lay_out
from spline_lstm.series.splits import split_instants
from spline_lstm.tables.raw_table import RawTable, read_raw_table, rows_of
from spline_lstm.tables.sources import read_source
from spline_lstm.tasks.parts import load_part
from spline_lstm.training.fit import Fit, Prepared, fit_prepared, prepare
from spline_lstm.training.loop import Evaluation
from spline_lstm.training.residuals import LinearParts

# The stages check the whole table; a part of it may be short, or have a long gap.
PART_OF_A_TABLE = {
    "data.short_series": "skip",
    "preprocess.min_rows": 1,
    "preprocess.max_missing": 1.0,
    "preprocess.longest_gap": None,
}
SECTIONS = ("task", "data", "preprocess", "target", "window")
# Arrays of so many params of preprocessing stay in memory.
MOST_PREPARED = 8
# Grid rows that a series keeps at least when a large table is cut.
LEAST_SPAN = 1000


@dataclass(frozen=True)
class Material:
    """A raw table that ends where the test split starts.

    Attributes
    ----------
    table : RawTable
    schema : Schema
    clock : Clock
        Bound to the whole table.
    instants : [2] int64
        Start of the validation split, and of the test split: the end of the table.
    """

    table: RawTable
    schema: Schema
    clock: Clock
    instants: Int[np.ndarray, " two"]

    @property
    def content_id(self) -> str:
        """Content id of the table."""
        table = self.table
        arrays = (table.timestamps, table.values, table.series_offsets, self.instants)
        return content_id(
            *(np.ascontiguousarray(array).tobytes() for array in arrays),
            repr((table.columns, table.series_names, sorted(table.statics.items()))),
            self.schema.model_dump_json(),
        )

    def recent(self, most: int) -> "Material":
        """At most about `most` grid rows: evenly spaced series, and their last rows.

        The shares of training and validation stay. So the work depends on the size of the table up
        to a limit, and not on the time that it takes.
        """
        first, start, end = self.clock.first_rows(
            np.array([self.table.timestamps.min(), *self.instants])
        ).tolist()
        names = len(self.table.series_names)
        if (end - first) * names <= most:
            return self
        series = min(names, max(1, most // min(end - first, LEAST_SPAN)))
        kept = np.isin(self.table.series, evenly_spaced(names, series))
        span = min(most // series, end - first)
        share = (end - start) / (end - first)
        begin, start = end - span, max(start, end - round(share * span))
        instants = self.clock.timestamps_of(np.array([begin, start, end]))
        kept &= self.table.timestamps >= instants[0]
        return replace(self, table=rows_of(self.table, kept), instants=instants[1:])


def read_material(folder: Path, params: Params) -> Material:
    """The source of a pipeline folder, without the rows of the test split.

    Raises
    ------
    DataContractError, SchemaError
        As in the stages ingest and preprocess.
    """
    schema = load_schema(folder / params.data.schema_file)
    source = params.data.source
    content = read_source(source, folder)
    table = read_raw_table(content, schema, where=source, reading=Reading.of(params.data))
    return before_test(table, schema, params)


def before_test(table: RawTable, schema: Schema, params: Params) -> Material:
    """Cut a table where the test split of `params` starts."""
    clock = bind(params.clock, table.timestamps)
    layout = lay_out(table, clock, params.preprocess.snap)
    instants = split_instants(layout, params.preprocess.split)[:2]
    # An observation just before the split may be that of its first row.
    before = clock.nearest(table.timestamps) < clock.first_rows(instants[1:])
    return Material(
        rows_of(table, before & (table.timestamps < instants[1])), schema, clock, instants
    )


class Trainings:
    """Fits models of many params on one table; equal work is done once.

    Parameters
    ----------
    material : Material
    """

    def __init__(self, material: Material) -> None:
        self.material = material
        self._parts = LinearParts()
        self._prepared: dict[str, Prepared] = {}

    def prepared(self, params: Params) -> Prepared:
        """Arrays and windows of `params`; errors as in `prepare`."""
        params = with_values(params, PART_OF_A_TABLE, "tune")
        key = content_id(params.model_dump(mode="json", include=set(SECTIONS)))
        if key not in self._prepared:
            material = self.material
            made = prepare(
                material.table,
                material.schema,
                params,
                where=params.data.source,
                clock=material.clock,
                instants=material.instants,
                needed=("train", "validation"),
            )
            kept = list(self._prepared.items())[1 - MOST_PREPARED :]
            self._prepared = dict(kept) | {key: made}
        return self._prepared[key]

    def fit(
        self, params: Params, on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None
    ) -> Fit:
        """Train with `params`; errors as in `prepare` and `train_model`."""
        return fit_prepared(
            self.prepared(params),
            params,
            on_evaluation=on_evaluation,
            make_loss=load_part(params, "loss"),
            fit_part=self._parts,
        )


def longest_training(prepared: Prepared) -> int:
    """Training rows of the series that has most."""
    arrays = prepared.windows.arrays
    training = arrays.timestamps < arrays.split_instants[0]
    return int(np.bincount(arrays.row_series[training]).max())


def is_positive(prepared: Prepared) -> bool:
    """Whether every observed target of the training split is above 0."""
    arrays = prepared.windows.arrays
    known = arrays.raw_target[arrays.timestamps < arrays.split_instants[0]]
    return bool((known[~np.isnan(known)] > 0).all())
