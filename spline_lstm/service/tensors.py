"""Raw tensors by the Open Inference Protocol, version 2.

https://github.com/open-inference/open-inference-protocol says what is in these answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import Field

from spline_lstm.export.sessions import Tensor
from spline_lstm.service.errors import BAD_REQUEST, CallError, body_error, refused
from spline_lstm.service.forecasts import read_json
from spline_lstm.service.served_file import ServedFile

DATATYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "INT64": np.int64}
NAMES = {np.dtype(np.float32): "FP32", np.dtype(np.int32): "INT32"}


class Loose(pydantic.BaseModel):
    """The protocol lets clients add keys, such as parameters."""

    model_config = pydantic.ConfigDict(extra="ignore")


class Given(Loose):
    """One input: values in row-major order, flat or nested."""

    name: str
    shape: Annotated[
        list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1, max_length=8)
    ]
    datatype: str
    data: list[Any]


class Wanted(Loose):
    """One output that is asked for."""

    name: str


class Inference(Loose):
    """A call of ``infer``."""

    id: str | None = None
    inputs: Annotated[list[Given], Field(min_length=1)]
    outputs: list[Wanted] | None = None


def metadata_of(file: ServedFile) -> dict[str, Any]:
    """Names, types and shapes of the tensors of a file."""
    return {
        "name": file.name,
        "versions": [file.version],
        "platform": "onnxruntime_onnx" if file.path.suffix == ".onnx" else "tensorflow_lite",
        "inputs": _declared(file.session.inputs),
        "outputs": _declared(file.session.outputs),
    }


def _declared(tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """The first axis counts windows or rows."""
    return [
        {"name": name, "datatype": NAMES[tensor.dtype], "shape": [-1, *tensor.row]}
        for name, tensor in tensors.items()
    ]


def read_inference(content: bytes) -> Inference:
    """A call of ``infer``; CallError if it is none."""
    try:
        return Inference.model_validate(read_json(content))
    except pydantic.ValidationError as error:
        raise _placed(body_error(error)) from None


def _placed(error: CallError) -> CallError:
    """With place and remedy in the messages: the errors of the protocol are one text."""
    return CallError(
        error.status,
        *(
            replace(each, message=f"{place_of(each.loc)}: {each.message}; {each.remedy}")
            for each in error.findings
        ),
    )


def place_of(loc: Sequence[str | int]) -> str:
    """Where something is in a body, as JavaScript writes it.

    >>> place_of(("body", "inputs", 0, "data"))
    'body.inputs[0].data'
    """
    first, *others = loc
    return f"{first}" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in others
    )


def infer(file: ServedFile, call: Inference, max_windows: int) -> dict[str, Any]:
    """The outputs of a file for given tensors.

    Raises
    ------
    CallError
        A tensor is given twice, or has another type, shape or number of values than it says, or
        than the file takes.
    """
    _check_names(call)
    given = {tensor.name: _array(tensor, max_windows, file.takes_missing) for tensor in call.inputs}
    try:
        outputs = file.session.answer(given)
    except (KeyError, TypeError, ValueError) as error:
        text = f"{error}; see GET /v2/models/{file.name}"
        raise refused(BAD_REQUEST, ("body", "inputs"), "shape", text) from None
    return {
        "model_name": file.name,
        "model_version": file.version,
        **({} if call.id is None else {"id": call.id}),
        "outputs": [
            {
                "name": name,
                "datatype": NAMES[values.dtype],
                "shape": list(values.shape),
                "data": values.ravel().tolist(),
            }
            for name, values in _chosen(outputs, call).items()
        ],
    }


def _check_names(call: Inference) -> None:
    """Refuse a tensor that is given twice, of which only the last one would be read."""
    names = [tensor.name for tensor in call.inputs]
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"the tensor {name!r} is given twice; give each tensor once"
            raise refused(BAD_REQUEST, ("body", "inputs", index, "name"), "names", text)


def _chosen(outputs: Mapping[str, np.ndarray], call: Inference) -> Mapping[str, np.ndarray]:
    if not call.outputs:
        return outputs
    wanted = [each.name for each in call.outputs]
    if unknown := [name for name in wanted if name not in outputs]:
        text = f"the model has no output {unknown[0]!r}; its outputs are {', '.join(outputs)}"
        raise refused(BAD_REQUEST, ("body", "outputs"), "output", text)
    return {name: outputs[name] for name in wanted}


def _has_truth_value(data: list[Any]) -> bool:
    """Whether a list has true or false, which NumPy takes for 1 and 0 among numbers."""
    # Level by level: a few kilobytes hold more levels of lists than functions may call themselves.
    while data:
        if bool in set(map(type, data)):
            return True
        data = list(chain.from_iterable(each for each in data if isinstance(each, list)))
    return False


def _check_extent(tensor: Given, max_windows: int) -> None:
    loc = ("body", "inputs", tensor.name)
    if tensor.shape[0] > max_windows:
        text = f"{tensor.shape[0]} windows are more than {max_windows}; send several calls"
        raise refused(413, loc, "max_series", text)
    if tensor.shape[0] == 0:
        # ONNX Runtime ends the process if a recurrent network is given none.
        text = f"the tensor {tensor.name!r} has no windows or rows; give one or more"
        raise refused(BAD_REQUEST, loc, "shape", text)


def _array(tensor: Given, max_windows: int, takes_missing: bool) -> np.ndarray:
    loc = ("body", "inputs", tensor.name)
    if tensor.datatype not in DATATYPES:
        text = f"the datatype {tensor.datatype!r} is unknown; give {', '.join(DATATYPES)}"
        raise refused(BAD_REQUEST, loc, "datatype", text)
    _check_extent(tensor, max_windows)
    wanted = np.dtype(DATATYPES[tensor.datatype])
    try:
        if _has_truth_value(tensor.data):
            raise ValueError("it has true or false, which are not numbers")
        values = _even(tensor.data)
        if takes_missing and wanted.kind == "f" and values.dtype.kind == "O":
            values = _with_missing(values)
        elif values.dtype.kind == "O" and any(value is None for value in values.flat):
            raise ValueError("it has null; only the numbers of rows may be missing")
        if values.dtype.kind not in ("iuf" if wanted.kind == "f" else "iu"):
            raise ValueError("its values are not numbers of its datatype")
        # A number that is too large for the type becomes infinite, and is refused below.
        with np.errstate(over="ignore"):
            array = values.astype(wanted).reshape(tensor.shape)
        if wanted.kind == "i" and (array.ravel() != values.ravel()).any():
            raise ValueError("its values do not fit its datatype")
        if np.isinf(array).any() or (np.isnan(array).any() and not takes_missing):
            raise ValueError("its values are not finite in its datatype")
    except (OverflowError, TypeError, ValueError) as error:
        text = (
            f"the tensor {tensor.name!r} is not of shape {tensor.shape} and datatype "
            f"{tensor.datatype} ({error}); give that many such values, in row-major order"
        )
        raise refused(BAD_REQUEST, loc, "data", text) from None
    return array


def _even(data: list[Any]) -> np.ndarray:
    """An array of lists that are nested alike."""
    try:
        return np.array(data)
    except ValueError:
        raise ValueError("its lists have different lengths or depths, or too many levels") from None


def _with_missing(values: np.ndarray) -> np.ndarray:
    """NaN where JSON has null; the values as they are if others are not numbers."""
    flat: list[object] = values.ravel().tolist()
    if not all(value is None or type(value) in (int, float) for value in flat):
        return values
    filled = [np.nan if value is None else value for value in flat]
    return np.array(filled, np.float64).reshape(values.shape)
