from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq

from spline_lstm.evaluation.predictions_file import PredictionsWriter


def table(first):
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", "b"]))
    timestamps = pa.array([first, first + 1], pa.timestamp("ns", tz="UTC"))
    step = pa.array([1, 2], pa.int32())
    content = {
        "series": texts,
        "origin": timestamps,
        "step": step,
        "timestamp": timestamps,
        "target": texts,
    }
    return pa.table(content | {"y_pred": pa.array([0.5, None])})


def test_tables_stand_in_the_file_in_their_order_and_texts_are_texts(tmp_path):
    with closing(PredictionsWriter(tmp_path / "p")) as writer:
        for first in range(0, 10, 2):
            writer.write(table(first))
    read = pq.read_table(tmp_path / "p")
    assert read["origin"].cast(pa.int64()).to_pylist() == list(range(10))
    assert read.schema.field("series").type == pa.string()
    assert read.schema.field("origin").type == pa.timestamp("ns", tz="UTC")
