"""Explain a score of a pipeline folder by its promoted model, or by its own files."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.store.explanation import Explanation
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Registry
from spline_lstm.store.score import chosen_model
from spline_lstm.tables.sources import read_source
from spline_lstm.tasks.parts import load_part


def explain_folder(
    folder: Path, params: Params, symbol: str, date: str, model: str | None
) -> Explanation:
    """The score of a symbol at the end of a date, with its reasons.

    Parameters
    ----------
    folder : Path
        Of the pipeline.
    params : Params
    symbol, date : str
    model : str, optional
        Id of a registered model, or its beginning; None: the promoted one, and if there is none the
        files of the folder.

    Raises
    ------
    ParamsError
        The task has no reasons to give.
    StoreError
        There is no such model, or its files are gone.
    SplineLstmError
        The data or the model cannot be read, or the symbol cannot be scored.
    """
    explain = load_part(params, "explain")
    registry = Registry(Store.of(folder, params.store).registry)
    files = folder
    if model is not None or registry.promoted(params.task) is not None:
        files = registry.folder(chosen_model(registry, params, model, folder))
    source = read_source(params.data.source, folder)
    return explain(files, source, params.data.source, symbol, date)
