"""Type of model `lstm`."""

from spline_lstm.models.layers import LSTMLayer
from spline_lstm.models.network import RecurrentNetwork


class LSTMNetwork(RecurrentNetwork):
    """Stacked LSTM layers (Hochreiter & Schmidhuber 1997; Gers et al. 2000); the head sees the last state."""

    layer = LSTMLayer
