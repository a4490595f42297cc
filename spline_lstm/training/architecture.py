"""The config of a network out of the params and of what preprocessing found. No JAX here."""

from collections.abc import Mapping
from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.models.config import ModelConfig
from spline_lstm.windows.windows import Windows


def model_config(params: Params, windows: Windows, preprocessor: Mapping[str, Any]) -> ModelConfig:
    """Architecture from the params, shapes and names from the windows, embeddings from preprocessor.json."""
    model = params.model
    statics, categories = preprocessor["statics_embedded"], preprocessor["features_embedded"]
    return ModelConfig(
        model_type=model.type,
        hidden=model.hidden,
        dropout=model.dropout,
        normalization=model.normalization,
        lookback=windows.lookback,
        horizon=windows.horizon,
        features=windows.feature_names,
        targets=windows.target_names,
        target_indices=tuple(int(index) for index in windows.arrays.target_indices),
        segment=model.segment,
        decoder=model.decoder,
        channels=model.channels,
        bidirectional=model.bidirectional,
        layer_norm=model.layer_norm,
        output="probability" if params.train.loss == "bce" else "value",
        quantiles=model.quantiles,
        ensemble_size=params.train.ensemble_size,
        future_features=windows.future_names,
        static_sizes=tuple(item["size"] for item in statics),
        static_dims=tuple(item["dim"] for item in statics),
        categories=tuple(item["name"] for item in categories),
        category_sizes=tuple(item["size"] for item in categories),
        category_dims=tuple(item["dim"] for item in categories),
    )
