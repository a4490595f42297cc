"""Section model.rows of params.yaml: the networks of the task tabular."""

from typing import Annotated

from pydantic import Field

from spline_lstm.core.section import Count, Positive, Section

Dropped = Annotated[float, Field(ge=0.0, lt=1.0)]


class RowModelParams(Section):
    """Networks of the task tabular: ft_transformer, tabm, mlp; unused by other types."""

    blocks: Count | None = None
    """blocks of the network; null: those of its paper (ft_transformer 3, tabm 2, mlp 3)"""
    width: Count | None = None
    """units of a block; null: those of its paper (ft_transformer 192, tabm 512, mlp 256)"""
    dropout: Dropped | None = None
    """share of hidden units dropped while training, 0 to below 1; null: 0.1, as in the papers"""
    heads: Count = 8
    """ft_transformer: attention heads, a divisor of the width"""
    hidden_factor: Positive = 1.3333333333333333
    """ft_transformer: hidden units of a feed-forward layer (ReGLU) as a multiple of the width"""
    attention_dropout: Dropped = 0.2
    """ft_transformer: share of attention weights dropped while training"""
    residual_dropout: Dropped = 0.0
    """ft_transformer: share of what a layer adds to its input that is dropped while training"""
    members: Count = 32
    """tabm: networks that share their weights, and whose mean is the prediction"""
    embedding: Count = 16
    """tabm: numbers that each number of a row is embedded in, piecewise linearly, and a category of
    more than 64 ids; mlp: numbers that a category is embedded in"""
    bins: Annotated[int, Field(ge=2)] = 48
    """tabm: most pieces of such an embedding; their edges are quantiles of the training split"""
