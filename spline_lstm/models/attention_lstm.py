"""Type of model `attention_lstm`."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from spline_lstm.models.layers import Attention, LSTMLayer
from spline_lstm.models.network import RecurrentNetwork


class AttentionLSTMNetwork(RecurrentNetwork):
    """Stacked LSTM layers and additive attention over their states (Bahdanau et al., ICLR 2015).

    The last state is the query; the head sees the context beside it.
    """

    layer = LSTMLayer

    def make_reader(self, units: int, *, key: PRNGKeyArray) -> int:
        """Make the attention; context and query lie side by side."""
        self.attention = Attention(units, key=key)
        return 2 * units

    def read(
        self, states: Float[Array, "time batch units"], query: Float[Array, "parts batch units"]
    ) -> Float[Array, "parts batch two_units"]:
        """Context of each query, and the query."""
        return jnp.concatenate([self.attention(states, query), query], axis=-1)
