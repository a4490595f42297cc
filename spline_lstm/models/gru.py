"""Type of model `gru`."""

from spline_lstm.models.layers import GRULayer
from spline_lstm.models.network import RecurrentNetwork


class GRUNetwork(RecurrentNetwork):
    """Stacked GRU layers (Cho et al. 2014); the head sees the last state."""

    layer = GRULayer
