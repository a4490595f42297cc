"""The recurrent networks: one network whose components the config selects, and its three types.

::

    X --normalize--> steps --recurrent layers--> states --decode--> head --denormalize--> forecast
         per window   rows, or segments of rows           one vector, or one per segment
                      through a linear layer and relu     of the horizon

Segments, and decoding the horizon by one cell step per segment from a learned position, all from
the same final state, are those of SegRNN (Lin et al. 2023). Static embeddings join the input of
every step. A type of model defines which recurrent layer it stacks, and what its head sees of the
states.

A network that corrects a linear forecast (`spline_lstm.models.combined`) starts at zero: its
output is what the linear forecast misses, in units of what it misses in training. The head of a
network with a seasonal skip also sees `spline_lstm.models.skips`, through a layer of its own::

    context, skips --linear, gelu--> hidden          head sees context, hidden

With independent channels the network sees one target at a time, with shared weights (Nie et al.,
ICLR 2023). The channels of a window are adjacent rows of the batch.
"""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.models.channels import join_channels, per_channel, split_channels, split_keys
from spline_lstm.models.config import CHANNEL_DIM, SKIP_UNITS, ModelConfig, check_shapes
from spline_lstm.models.layers import (
    Attention,
    Correction,
    Dense,
    Embedding,
    GRULayer,
    LayerNorm,
    LSTMLayer,
    dropout,
    fold_each,
)
from spline_lstm.models.normalization import WindowScale, denormalize, normalize
from spline_lstm.models.skips import corrected, head_inputs

# Arrays are [time, batch, width] between the input and the head.
Sequence3 = Float[Array, "time batch width"]


class RecurrentNetwork(nnx.Module):
    """X [batch, lookback, F_total] -> [batch, horizon * F_target * levels], both z-scores.

    The base of the recurrent types; `spline_lstm.models.build.build` builds the type of a
    config.
    """

    layer: ClassVar[type[LSTMLayer | GRULayer]]

    def __init__(self, config: ModelConfig, *, key: PRNGKeyArray) -> None:
        of_rnn, of_reverse, of_inputs, of_decoder = jax.random.split(key, 4)
        self.config = nnx.static(config)
        self._make_inputs(of_inputs)
        self.rnn = self._recurrent_layers(of_rnn)
        if config.bidirectional:
            self.reverse = self._recurrent_layers(of_reverse)
        if config.layer_norm:
            self.norm = nnx.List([LayerNorm(units * config.directions) for units in config.hidden])
        self._make_decoder(of_decoder)

    def __call__(
        self,
        x: Float[Array, "batch lookback features"],
        future: Float[Array, "batch horizon future_features"] | None = None,
        static: Int[Array, "batch statics"] | None = None,
        linear: Float[Array, "batch values"] | None = None,
        *,
        keys: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Forecast; logits if the output is a probability; an addition beside a linear part.

        Parameters
        ----------
        x : [batch, lookback, F_total] float32, z-scores
        future : [batch, horizon, F_future] float32, if the config names future features
        static : [batch, n_static] int32, if the config has static embeddings; 0: unknown
        linear : [batch, horizon * F_target] float32, z-scores of the linear forecast, if there is
            one
        keys : [batch] keys, one per window; they turn dropout on

        Raises
        ------
        ValueError
            An input is missing or has another shape; the message has both shapes.
        """
        config: ModelConfig = self.config
        check_shapes(
            config,
            x.shape,
            None if future is None else future.shape,
            None if static is None else static.shape,
        )
        observed = x[:, :, jnp.array(config.mask_indices)] if config.mask_indices else None
        vector = self._static_vector(static, x.shape[0], keys)
        x = self._embedded(x, config.features, keys)
        future = None if future is None else self._embedded(future, config.future_features, keys)
        indices = config.target_indices
        if config.is_independent:
            x, future, vector = split_channels(x, future, vector, self.channel.table[...], indices)
            keys = None if keys is None else split_keys(keys, len(indices))
            observed = None if observed is None else per_channel(observed)
            indices = (0,)
        dtype = self.head.kernel.dtype
        targets = x[:, :, jnp.array(indices, dtype=jnp.int32)]
        skips = self._skips(targets, linear) if config.seasonal_skip else None
        read = slice(config.lookback - config.rows_read, None)
        observed = None if observed is None else observed[:, read]
        x, window = normalize(x[:, read], indices, config.normalization, observed)
        states, finals = self._run(self._steps(x.astype(dtype)), vector, keys=keys)
        contexts = self._contexts(
            states,
            finals,
            vector,
            None if future is None else future.astype(dtype),
            None if observed is None else self._seen(observed),
            keys,
        )
        if skips is not None:
            contexts = self._with_skips(contexts, skips.astype(dtype), keys)
        if config.head_units:
            contexts = jax.nn.relu(self.last_layer(contexts))
        forecast = jnp.swapaxes(self.head(contexts), 0, 1)
        shape = (len(x), config.horizon, config.targets_seen, config.levels)
        forecast = forecast.reshape(shape).astype(jnp.float32)
        if config.normalization != "none":
            shift = jnp.zeros_like(window.shift) if config.sees_linear else window.shift
            forecast = denormalize(forecast, WindowScale(shift[..., None], window.scale[..., None]))
        if config.linear_skip == "trained":
            forecast += corrected(targets, self.correction.kernel[...].astype(jnp.float32))[
                ..., None
            ]
        if config.is_independent:
            forecast = join_channels(forecast, len(config.targets))
        if config.linear_skip == "beside" and linear is not None:
            forecast -= linear.reshape(-1, config.horizon, len(config.targets), 1)
        return forecast.reshape(-1, config.outputs)

    def make_reader(self, units: int, *, key: PRNGKeyArray) -> int:
        """Make what `read` needs for states of `units`; return the width of what `read` returns."""
        return units

    def read(
        self,
        states: Sequence3,
        query: Float[Array, "segments batch units"],
        seen: Float[Array, "time batch"] | None,
    ) -> Float[Array, "segments batch context"]:
        """What the head sees: of all states of the top layer, and of the queries.

        The query is the last state, or one per segment of the horizon, decoded from it. `seen` is 0
        for a step in which no target was observed.
        """
        return query

    def _skips(
        self, targets: Float[Array, "batch lookback targets"], linear: Array | None
    ) -> Float[Array, "batch skips"]:
        config: ModelConfig = self.config
        if not config.sees_linear:
            linear = None
        if linear is not None:
            linear = linear.reshape(-1, config.horizon, len(config.targets))
            linear = per_channel(linear) if config.is_independent else linear
        return head_inputs(targets, linear, config)

    def _with_skips(
        self,
        contexts: Float[Array, "1 batch context"],
        skips: Float[Array, "batch skips"],
        keys: PRNGKeyArray | None,
    ) -> Float[Array, "1 batch wider"]:
        """Add what a layer makes of the contexts and the skips."""
        config: ModelConfig = self.config
        hidden = jax.nn.gelu(self.skips(jnp.concatenate([contexts, skips[None]], axis=-1)))
        hidden = dropout(hidden, config.dropout, keys=fold_each(keys, len(config.hidden) + 1))
        return jnp.concatenate([contexts, hidden], axis=-1)

    def _embedded(
        self,
        values: Float[Array, "batch rows names"],
        names: tuple[str, ...],
        keys: PRNGKeyArray | None,
    ) -> Array:
        """Replace category ids by their vectors, which come after the other features."""
        present = [
            (index, name) for index, name in enumerate(self.config.categories) if name in names
        ]
        if not present:
            return values
        others = [
            position for position, name in enumerate(names) if name not in self.config.categories
        ]
        ids = [values[..., names.index(name)].astype(jnp.int32) for _, name in present]
        first = -1 - len(self.config.static_sizes)
        vectors = [
            self.category[index](column, keys=fold_each(keys, first - index))
            for (index, _), column in zip(present, ids, strict=True)
        ]
        return jnp.concatenate([values[..., jnp.array(others, dtype=jnp.int32)], *vectors], axis=-1)

    def _filled_up(self, x: Array) -> Array:
        """Whole segments of rows: the oldest row is repeated to fill the first one."""
        spare = -x.shape[1] % self.config.segment
        return jnp.concatenate([*[x[:, :1]] * spare, x], axis=1)

    def _seen(self, observed: Float[Array, "batch lookback targets"]) -> Float[Array, "time batch"]:
        """1 for a step, a row or a segment, in which a target was observed, else 0."""
        rows = self._filled_up(observed)
        return rows.reshape(len(rows), -1, self.config.segment * rows.shape[2]).max(axis=2).T

    def _steps(self, x: Array) -> Sequence3:
        """Rows, or embedded segments of rows."""
        if self.config.segment > 1:
            x = self._filled_up(x)
            x = jax.nn.relu(self.embedding(x.reshape(len(x), -1, self.config.segment * x.shape[2])))
        return jnp.swapaxes(x, 0, 1)

    def _run(
        self,
        steps: Sequence3,
        vector: Float[Array, "batch dims"],
        *,
        initial: Sequence[tuple[Array, ...]] | None = None,
        keys: PRNGKeyArray | None,
    ) -> tuple[Sequence3, list[tuple[Array, ...]]]:
        """States of the top layer, and the final state of each layer."""
        states = jnp.concatenate(
            [steps, jnp.broadcast_to(vector, (len(steps), *vector.shape))], axis=-1
        )
        finals = []
        for index, layer in enumerate(self.rnn):
            if index > 0:
                states = dropout(states, self.config.dropout, keys=fold_each(keys, index))
            inputs = states
            states, final = layer(inputs, None if initial is None else initial[index])
            finals.append(final)
            if self.config.bidirectional:
                states = jnp.concatenate(
                    [states, self.reverse[index](inputs[::-1])[0][::-1]], axis=-1
                )
            if self.config.layer_norm:
                states = self.norm[index](states)
        return states, finals

    def _contexts(
        self,
        states: Sequence3,
        finals: list[tuple[Array, ...]],
        vector: Array,
        future: Array | None,
        seen: Array | None,
        keys: PRNGKeyArray | None,
    ) -> Float[Array, "segments batch context"]:
        """What the head sees for each segment of the horizon; a dense decoder has one."""
        config: ModelConfig = self.config
        query = (
            self._decoded(finals, vector, future)
            if config.decoder == "segments"
            else self._last(states)
        )
        context = dropout(
            self.read(states, query, seen), config.dropout, keys=fold_each(keys, len(config.hidden))
        )
        if future is not None and config.decoder == "dense":
            context = jnp.concatenate([context, future.reshape(1, len(future), -1)], axis=-1)
        return context

    def _last(self, states: Sequence3) -> Float[Array, "1 batch units"]:
        """The state after the last row read; the reverse cell reads the first row last."""
        if not self.config.bidirectional:
            return states[-1:]
        units = self.config.hidden[-1]
        return jnp.concatenate([states[-1:, :, :units], states[:1, :, units:]], axis=-1)

    def _decoded(
        self, finals: list[tuple[Array, ...]], vector: Array, future: Array | None
    ) -> Float[Array, "segments batch units"]:
        """One step of the cells from the final states per segment of the horizon, as a batch."""
        segments, width = self.position.shape
        steps = jnp.broadcast_to(self.position[...][:, None], (segments, len(vector), width))
        if future is not None:
            steps += jnp.swapaxes(self.future(future.reshape(len(future), segments, -1)), 0, 1)
        initial = [tuple(jnp.tile(state, (segments, 1)) for state in final) for final in finals]
        states, _ = self._run(
            steps.reshape(1, -1, width), jnp.tile(vector, (segments, 1)), initial=initial, keys=None
        )
        return states.reshape(segments, len(vector), -1)

    def _static_vector(
        self, static: Array | None, batch: int, keys: PRNGKeyArray | None
    ) -> Float[Array, "batch dims"]:
        vectors = [jnp.zeros((batch, 0), self.head.kernel.dtype)]
        if static is not None:
            tables = enumerate(self.static if self.config.static_sizes else [])
            vectors += [
                table(static[:, index], keys=fold_each(keys, -1 - index)) for index, table in tables
            ]
        return jnp.concatenate(vectors, axis=-1)

    def _make_inputs(self, key: PRNGKeyArray) -> None:
        config: ModelConfig = self.config
        keys = jax.random.split(key, len(config.static_sizes) + 2)
        if config.segment > 1:
            width = config.segment * config.row_width
            self.embedding = Dense(width, config.step_width, key=keys[0])
        if config.is_independent:
            self.channel = Embedding(len(config.targets), CHANNEL_DIM, key=keys[1])
        if config.static_sizes:
            sizes = zip(config.static_sizes, config.static_dims, keys[2:], strict=True)
            self.static = nnx.List([Embedding(size, width, key=key) for size, width, key in sizes])
        if config.categories:
            category_keys = jax.random.split(jax.random.fold_in(key, 1), len(config.categories))
            sizes = zip(config.category_sizes, config.category_dims, category_keys, strict=True)
            self.category = nnx.List(
                [Embedding(size, width, key=key) for size, width, key in sizes]
            )

    def _recurrent_layers(self, key: PRNGKeyArray) -> nnx.List:
        config: ModelConfig = self.config
        first = config.step_width + config.static_width
        widths = (first, *(units * config.directions for units in config.hidden[:-1]))
        keys = jax.random.split(key, len(widths))
        sizes = zip(widths, config.hidden, keys, strict=True)
        return nnx.List([self.layer(width, units, key=key) for width, units, key in sizes])

    def _make_decoder(self, key: PRNGKeyArray) -> None:
        config: ModelConfig = self.config
        of_attention, of_position, of_future, of_head = jax.random.split(key, 4)
        context = self.make_reader(config.hidden[-1] * config.directions, key=of_attention)
        rows, future = config.rows_decoded, config.width(config.future_features)
        if config.decoder == "segments":
            shape = (config.horizon // rows, config.step_width)
            self.position = nnx.Param(jax.random.normal(of_position, shape))
            if config.future_features:
                self.future = Dense(rows * future, config.step_width, key=of_future)
        else:
            context += rows * future
        if config.seasonal_skip:
            of_skips = jax.random.fold_in(of_head, 1)
            self.skips = Dense(context + config.skip_width, SKIP_UNITS, key=of_skips)
            context += SKIP_UNITS
        if config.head_units:
            of_last = jax.random.fold_in(of_head, 2)
            self.last_layer = Dense(context, config.head_units, key=of_last)
            context = config.head_units
        outputs = rows * config.targets_seen * config.levels
        self.head = Dense(context, outputs, key=of_head)
        if config.sees_linear:
            self.head.kernel = nnx.Param(jnp.zeros((context, outputs)))
        if config.linear_skip == "trained":
            shape = (config.targets_seen, config.lookback, config.horizon)
            self.correction = Correction(shape)


class LSTMNetwork(RecurrentNetwork):
    """Stacked LSTM layers (Hochreiter & Schmidhuber 1997); the head sees the last state."""

    layer = LSTMLayer


class GRUNetwork(RecurrentNetwork):
    """Stacked GRU layers (Cho et al. 2014); the head sees the last state."""

    layer = GRULayer


class AttentionLSTMNetwork(RecurrentNetwork):
    """Stacked LSTM layers and additive attention over their states (Bahdanau et al., ICLR 2015).

    The last state is the query; the head sees the context and the query.
    """

    layer = LSTMLayer

    def make_reader(self, units: int, *, key: PRNGKeyArray) -> int:
        """Make the attention; context and query are concatenated."""
        self.attention = Attention(units, key=key)
        return 2 * units

    def read(
        self,
        states: Sequence3,
        query: Float[Array, "segments batch units"],
        seen: Float[Array, "time batch"] | None,
    ) -> Float[Array, "segments batch two_units"]:
        """Context of each query, and the query."""
        return jnp.concatenate([self.attention(states, query, seen), query], axis=-1)
