"""Boosted trees as ONNX files, one node of trees each, by onnxmltools.

A file takes the features of rows as the trees were trained on them, z-scores where the task scales
them: in float32 a scaling inside the file could move a value across a split by its rounding.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float
from onnx import helper

from spline_lstm.core.errors import GateError
from spline_lstm.core.params import Params
from spline_lstm.export.checksum import BLANK
from spline_lstm.export.formats import METADATA_KEY, ExportedModel, conversion
from spline_lstm.export.onnx_export import finished
from spline_lstm.export.sessions import onnx_session
from spline_lstm.trees.packages import import_trees
from spline_lstm.trees.saved_trees import SavedTrees, load_trees
from spline_lstm.trees.tree_data import VALIDATION, TreeData
from spline_lstm.trees.trees import finite_or_missing

INPUT, OUTPUT = "features", "predicted"
# The newest one that onnxmltools writes; the nodes of trees are of another set, which it chooses.
OPSET = 15
# Largest difference from the trees themselves, in probability; of numbers relative to their size.
PARITY = 1e-5
MAX_ROWS = 4096


def tree_files(
    folder: Path, data: TreeData, params: Params, *, decimals: bool = False
) -> dict[str, tuple[ExportedModel, dict[str, Any]]]:
    """Name of each file -> its content, and its figures for metrics/export.json.

    Without onnx among `params.export.formats` there are none. `decimals` as in `tree_onnx`.

    Raises
    ------
    ExportError
        A file could not be converted.
    GateError
        A file predicts something else than the trees.
    """
    if "onnx" not in params.export.formats:
        return {}
    trees, rows = load_trees(folder), data.splits[VALIDATION].X[:MAX_ROWS]
    files = {}
    for member in trees.members:
        name = f"{member}.onnx"
        with conversion(name):
            model = tree_onnx(trees, member, decimals=decimals)
            difference = max_difference(model, trees, member, rows)
        if not difference <= PARITY:
            raise GateError(
                f"{name} is {difference:.2g} off the trees, the limit is {PARITY:g}; train other "
                "trees, or leave onnx out of export.formats"
            )
        files[name] = (model, _figures(model, difference))
    return files


def tree_onnx(trees: SavedTrees, member: str, *, decimals: bool = False) -> ExportedModel:
    """The trees of one library as an ONNX file that answers [rows] or [rows, classes] values.

    With `decimals`, features are numbers as people write them, which may be equal to a threshold
    of LightGBM in float32 though they are not in float64; z-scores hardly ever are.
    """
    import_trees("onnxmltools")
    from onnxmltools.convert import convert_lightgbm, convert_xgboost  # noqa: PLC0415
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    booster: Any = trees.members[member]
    width = len(trees.features)
    options = {"name": "spline_lstm", "target_opset": OPSET}
    options["initial_types"] = [(INPUT, FloatTensorType([None, width]))]
    if member == "lightgbm":
        trees_of = booster.rounded_down() if decimals else booster
        model = convert_lightgbm(trees_of.booster, zipmap=False, **options)
        # They come from a set of texts, whose order is another one in each process.
        model.opset_import.sort(key=lambda entry: entry.domain)
    else:
        model = convert_xgboost(booster.booster, **options)
        _correct_base(model, booster.booster)
    _describe(model, trees, member)
    return finished(model)


def _correct_base(model: onnx.ModelProto, booster: Any) -> None:
    """Let a file of two classes start at log odds if the first tree is a leaf of 0.

    In this one case onnxmltools 1.16 leaves the probability that the trees start at as it is.
    """
    node = model.graph.node[0]
    of = {attribute.name: attribute for attribute in node.attribute}
    first = json.loads(booster[:1].get_dump(dump_format="json")[0])
    if of["post_transform"].s != b"LOGISTIC" or first.get("leaf") != 0:
        return
    start = np.array(of["base_values"].floats)
    of["base_values"].floats[:] = np.log(start / (1 - start)).tolist()


def _describe(model: onnx.ModelProto, trees: SavedTrees, member: str) -> None:
    """One output with a name, a free batch axis, and the metadata."""
    graph = model.graph
    last = graph.output[-1].name
    graph.node.append(helper.make_node("Identity", [last], [OUTPUT]))
    columns = {"binary": 2, "multiclass": trees.objective.classes, "regression": 1}
    shape = ["batch", columns[trees.objective.kind]]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, shape))
    del graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", len(trees.features)])
    )
    if not any(entry.domain == "" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", OPSET))
    metadata = {
        "member": member,
        "kind": trees.objective.kind,
        "features": list(trees.features),
        "run_id": trees.run_id,
        "sha256": BLANK,
    }
    helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})


def max_difference(
    model: ExportedModel, trees: SavedTrees, member: str, rows: Float[np.ndarray, "rows features"]
) -> float:
    """Largest difference of a file from its trees; of numbers relative to the largest of them."""
    given = rows.astype(np.float32)
    expected = trees.members[member].predict(finite_or_missing(given.astype(np.float64)))
    answered = onnx_session(model.content).run([OUTPUT], {INPUT: given})[0]
    kind = trees.objective.kind
    found = {"binary": answered[:, -1], "regression": answered[:, 0]}.get(kind, answered)
    scale = max(1.0, float(np.abs(expected).max())) if kind == "regression" else 1.0
    return float(np.abs(found - expected).max()) / scale


def _figures(model: ExportedModel, difference: float) -> dict[str, Any]:
    return {
        "bytes": len(model.content),
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "operators": dict(model.operators),
        "max_abs_diff": difference,
    }
