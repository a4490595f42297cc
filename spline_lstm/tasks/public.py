"""What the package offers of a pipeline folder, whatever its task."""

from pathlib import Path

from spline_lstm.core.params import load_params
from spline_lstm.tasks.parts import load_part
from spline_lstm.windows.windows import Windows


def load_windows(folder: Path | str = ".") -> Windows:
    """Windows of a pipeline folder, as its stages preprocess and window left them.

    Those of the task direction are `spline_lstm.market.windows.DirectionWindows`, of the task
    tabular the rows of its table.

    Raises
    ------
    ArtifactError
        An artefact is missing or damaged, or they do not belong together.
    ParamsError
        The folder has no valid params.yaml.
    """
    return load_part(load_params(Path(folder)), "load_windows")(Path(folder))
