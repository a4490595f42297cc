"""What all types of model share: one network whose parts the config selects.

::

    X --normalize--> steps --recurrent layers--> states --decode--> head --denormalize--> forecast
         per window   rows, or segments of rows           one vector, or one per segment of the horizon
                      through a linear layer and relu

Segments, and decoding the horizon by one cell step per segment from a learned position, all from the
same final state, are SegRNN's (Lin et al. 2023). Static embeddings join the input of every step. A type
of model says which recurrent layer it stacks, and what its head sees of the states.
"""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.models.channels import join_channels, split_channels, split_keys
from spline_lstm.models.config import ModelConfig, check_shapes
from spline_lstm.models.layers import (
    Dense,
    Embedding,
    GRULayer,
    LayerNorm,
    LSTMLayer,
    dropout,
    fold_each,
)
from spline_lstm.models.normalization import WindowScale, denormalize, normalize

# Width of the embedding that tells independent channels apart.
CHANNEL_DIM = 16
# Arrays are [time, batch, width] between the input and the head.
Sequence3 = Float[Array, "time batch width"]


class RecurrentNetwork(nnx.Module):
    """X [batch, lookback, F_total] -> [batch, horizon * F_target * levels], both z-scores.

    The base of the types of model; the type of a config is built by `spline_lstm.models.registry.build`.
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
            self.norm = nnx.List([LayerNorm(units * self._sides) for units in config.hidden])
        self._make_decoder(of_decoder)

    def __call__(
        self,
        x: Float[Array, "batch lookback features"],
        future: Float[Array, "batch horizon future_features"] | None = None,
        static: Int[Array, "batch statics"] | None = None,
        *,
        keys: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Forecast; logits where the output is a probability.

        Parameters
        ----------
        x : [batch, lookback, F_total] float32, z-scores
        future : [batch, horizon, F_future] float32, where the config names future features
        static : [batch, n_static] int32, where the config has static embeddings; 0: unknown
        keys : [batch] keys, one per window; they turn dropout on

        Raises
        ------
        ValueError
            An input is missing or of another shape; the message has both shapes.
        """
        config: ModelConfig = self.config
        check_shapes(
            config,
            x.shape,
            None if future is None else future.shape,
            None if static is None else static.shape,
        )
        vector = self._static_vector(static, x.shape[0], keys)
        x = self._embedded(x, config.features, keys)
        future = None if future is None else self._embedded(future, config.future_features, keys)
        indices = config.target_indices
        if config.channels == "independent":
            x, future, vector = split_channels(x, future, vector, self.channel.table[...], indices)
            keys = None if keys is None else split_keys(keys, len(indices))
            indices = (0,)
        x, scale = normalize(x, indices, config.normalization)
        dtype = self.head.kernel.dtype
        states, finals = self._run(self._steps(x.astype(dtype)), vector, keys=keys)
        contexts = self._contexts(
            states, finals, vector, None if future is None else future.astype(dtype), keys
        )
        forecast = jnp.swapaxes(self.head(contexts), 0, 1)
        forecast = forecast.reshape(len(x), config.horizon, len(indices), config.levels).astype(
            jnp.float32
        )
        forecast = denormalize(
            forecast, WindowScale(scale.shift[..., None], scale.spread[..., None])
        )
        if config.channels == "independent":
            forecast = join_channels(forecast, len(config.targets))
        return forecast.reshape(-1, config.outputs)

    def make_reader(self, units: int, *, key: PRNGKeyArray) -> int:
        """Make what `read` needs for states of `units`; returns the width of what `read` gives."""
        return units

    def read(
        self,
        states: Sequence3,
        query: Float[Array, "parts batch units"],
    ) -> Float[Array, "parts batch context"]:
        """What the head sees of all states of the top layer, and of the last one (or those decoded from it)."""
        return query

    def _embedded(
        self,
        values: Float[Array, "batch rows names"],
        names: tuple[str, ...],
        keys: PRNGKeyArray | None,
    ) -> Array:
        """Category ids replaced by their vectors, which stand behind the other features."""
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

    def _steps(self, x: Array) -> Sequence3:
        """Rows, or embedded segments of rows; the oldest row is repeated where it takes more to fill the first one."""
        if self.config.segment > 1:
            spare = -x.shape[1] % self.config.segment
            x = jnp.concatenate([*[x[:, :1]] * spare, x], axis=1)
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
        keys: PRNGKeyArray | None,
    ) -> Float[Array, "parts batch context"]:
        """What the head sees for each part of the horizon; a dense decoder has one part."""
        config: ModelConfig = self.config
        query = (
            self._decoded(finals, vector, future)
            if config.decoder == "segments"
            else self._last(states)
        )
        context = dropout(
            self.read(states, query), config.dropout, keys=fold_each(keys, len(config.hidden))
        )
        if future is not None and config.decoder == "dense":
            context = jnp.concatenate([context, future.reshape(1, len(future), -1)], axis=-1)
        return context

    def _last(self, states: Sequence3) -> Float[Array, "1 batch units"]:
        """The state after the last row read: of the reverse cell that is the first row."""
        if not self.config.bidirectional:
            return states[-1:]
        units = self.config.hidden[-1]
        return jnp.concatenate([states[-1:, :, :units], states[:1, :, units:]], axis=-1)

    def _decoded(
        self, finals: list[tuple[Array, ...]], vector: Array, future: Array | None
    ) -> Float[Array, "parts batch units"]:
        """One step of the cells from the final states per segment of the horizon; segments lie along the batch."""
        parts, width = self.position.shape
        steps = jnp.broadcast_to(self.position[...][:, None], (parts, len(vector), width))
        if future is not None:
            steps += jnp.swapaxes(self.future(future.reshape(len(future), parts, -1)), 0, 1)
        initial = [tuple(jnp.tile(state, (parts, 1)) for state in final) for final in finals]
        states, _ = self._run(
            steps.reshape(1, -1, width), jnp.tile(vector, (parts, 1)), initial=initial, keys=None
        )
        return states.reshape(parts, len(vector), -1)

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

    @property
    def _sides(self) -> int:
        return 2 if self.config.bidirectional else 1

    @property
    def _channel_features(self) -> int:
        """Features that the network sees at once: one target of all where channels are independent."""
        config: ModelConfig = self.config
        return config.width(config.features) - (
            len(config.targets) - 1 if config.channels == "independent" else 0
        )

    @property
    def _step_width(self) -> int:
        return self._channel_features if self.config.segment == 1 else self.config.hidden[0]

    def _make_inputs(self, key: PRNGKeyArray) -> None:
        config: ModelConfig = self.config
        keys = jax.random.split(key, len(config.static_sizes) + 2)
        if config.segment > 1:
            self.embedding = Dense(
                config.segment * self._channel_features, self._step_width, key=keys[0]
            )
        if config.channels == "independent":
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
        static = sum(config.static_dims) + (CHANNEL_DIM if config.channels == "independent" else 0)
        widths = (self._step_width + static, *(units * self._sides for units in config.hidden[:-1]))
        keys = jax.random.split(key, len(widths))
        sizes = zip(widths, config.hidden, keys, strict=True)
        return nnx.List([self.layer(width, units, key=key) for width, units, key in sizes])

    def _make_decoder(self, key: PRNGKeyArray) -> None:
        config: ModelConfig = self.config
        of_attention, of_position, of_future, of_head = jax.random.split(key, 4)
        context = self.make_reader(config.hidden[-1] * self._sides, key=of_attention)
        rows = config.horizon
        if config.decoder == "segments":
            rows = config.segment
            parts = config.horizon // rows
            self.position = nnx.Param(jax.random.normal(of_position, (parts, self._step_width)))
            if config.future_features:
                self.future = Dense(
                    rows * config.width(config.future_features), self._step_width, key=of_future
                )
        else:
            context += rows * config.width(config.future_features)
        targets = 1 if config.channels == "independent" else len(config.targets)
        self.head = Dense(context, rows * targets * config.levels, key=of_head)
