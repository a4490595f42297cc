"""What a network of rows is built from: architecture, inputs, constants. No JAX here."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params
from spline_lstm.models.types import MODEL_TYPES, check_types

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows
    from spline_lstm.rows.preprocessor import RowPreprocessor


# Categories of tabm with more ids enter through a vector, like a number: one-hot they would be most
# of its inputs.
MOST_ONE_HOT = 64


@dataclass(frozen=True)
class RowConfig:
    """Architecture and inputs of a network of rows; stored in model.json.

    A network takes `numbers` [rows, n_numbers] float32 z-scores, `missing` [rows, n_numbers] bool
    and `categories` [rows, n_categories] int32 ids (0: the unknown token, also for ids out of
    range), and returns [rows, outputs].

    Attributes
    ----------
    model_type : name of an entry of `MODEL_TYPES`
    kind : classification or regression
    target : name of the column
    classes : texts of the classes, in the order of the labels; none for regression
    numbers, categories : names of the inputs, in order
    category_sizes : ids of each category, the unknown token (0) included
    blocks, width : of the network
    dropout : share of hidden units dropped while training
    heads, hidden_factor, attention_dropout, residual_dropout : of ft_transformer
    members, embedding : of tabm
    bins : edges of the pieces of each number's embedding in tabm, ascending, z-scores; one edge for
        a number that is constant in training
    label_center, label_scale : data units, of a target that was standardised
    ensemble_size : networks with different seeds, whose mean is the prediction; the weights of
        several have a leading member axis
    """

    model_type: str
    kind: str
    target: str
    classes: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    category_sizes: tuple[int, ...]
    blocks: int
    width: int
    dropout: float
    heads: int = 8
    hidden_factor: float = 4 / 3
    attention_dropout: float = 0.2
    residual_dropout: float = 0.0
    members: int = 1
    embedding: int = 16
    bins: tuple[tuple[float, ...], ...] = ()
    label_center: float = 0.0
    label_scale: float = 1.0
    ensemble_size: int = 1

    @property
    def title(self) -> str:
        """Type of model and its size: tabm 2 x 512."""
        return f"{self.model_type} {self.blocks} x {self.width}"

    @property
    def outputs(self) -> int:
        """Numbers per row: a logit per class, one for two classes; one value for regression."""
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def is_combined(self) -> bool:
        """No linear forecast beside it."""
        return False

    def to_json(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RowConfig":
        """Read the config from the content of model.json; keys that are not of it are skipped."""
        values = {
            item.name: _frozen(content[item.name])
            for item in fields(cls)
            if item.name in content or item.default is MISSING
        }
        return cls(**values)


def row_config(params: Params, rows: "Rows", preprocessor: "RowPreprocessor") -> RowConfig:
    """Architecture from the params, inputs from preprocessing, bins from the training split.

    Raises
    ------
    ParamsError
        The type of model is unknown or not one of rows, or the heads do not divide the width.
    """
    check_types(params)
    sizes, options = MODEL_TYPES[params.model.type].rows, params.model.rows
    if sizes is None:
        raise ParamsError(f"model.type {params.model.type} is not a network of rows")
    width = options.width or sizes.width
    if params.model.type == "ft_transformer" and width % options.heads:
        raise ParamsError(
            f"model.rows.heads = {options.heads}: it must divide model.rows.width, {width}"
        )
    is_tabm, inputs = params.model.type == "tabm", rows.split("train").inputs
    return RowConfig(
        model_type=params.model.type,
        kind=preprocessor.kind,
        target=preprocessor.target,
        classes=preprocessor.classes,
        numbers=preprocessor.numbers,
        categories=tuple(preprocessor.categories),
        category_sizes=preprocessor.category_sizes,
        blocks=options.blocks or sizes.blocks,
        width=width,
        dropout=sizes.dropout if options.dropout is None else options.dropout,
        heads=options.heads,
        hidden_factor=options.hidden_factor,
        attention_dropout=options.attention_dropout,
        residual_dropout=options.residual_dropout,
        members=options.members if is_tabm else 1,
        embedding=options.embedding,
        bins=quantile_bins(inputs.numbers, inputs.missing, options.bins) if is_tabm else (),
        label_center=preprocessor.label.center,
        label_scale=preprocessor.label.scale,
        ensemble_size=params.train.ensemble_size,
    )


def quantile_bins(
    numbers: Float[np.ndarray, "rows numbers"], missing: Bool[np.ndarray, "rows numbers"], most: int
) -> tuple[tuple[float, ...], ...]:
    """Edges of at most `most` pieces with equal shares of the rows, for each number.

    Equal edges count once, as in section 3.2.1 of Gorishniy et al., "On Embeddings for Numerical
    Features in Tabular Deep Learning" (NeurIPS 2022). A number without a value has the edge 0.

    >>> quantile_bins(np.array([[0.0], [1.0], [2.0], [9.0]]), np.zeros((4, 1), bool), 3)
    ((0.0, 1.0, 2.0, 9.0),)
    """
    shares = np.linspace(0.0, 1.0, most + 1)
    bins = []
    for column, absent in zip(numbers.T, missing.T, strict=True):
        seen = column[~absent].astype(np.float64)
        edges = np.quantile(seen, shares) if len(seen) else np.zeros(1)
        bins.append(tuple(np.unique(edges.astype(np.float32)).tolist()))
    return tuple(bins)


def most_pieces(bins: Sequence[Sequence[float]]) -> int:
    """Pieces of the number that has the most, at least one."""
    return max(1, *(len(edges) - 1 for edges in bins))


def piece_arrays(
    bins: Sequence[Sequence[float]],
) -> tuple[Float[np.ndarray, "four numbers pieces"], ...]:
    """Left edge, 1 / width, and the least and greatest share, of each piece, float32.

    Shares of the first piece have no lower limit, those of the last no upper one. Numbers with
    fewer pieces are filled up with pieces whose share is always 0.
    """
    shape = (len(bins), most_pieces(bins))
    left, inverse, low, high = (np.zeros(shape, np.float32) for _ in range(4))
    for row, edges in enumerate(bins):
        count = len(edges) - 1
        if count < 1:
            continue
        left[row, :count] = edges[:-1]
        inverse[row, :count] = 1.0 / np.diff(np.array(edges, np.float64))
        high[row, :count] = 1.0
        low[row, 0], high[row, count - 1] = -np.inf, np.inf
    return left, inverse, low, high


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
