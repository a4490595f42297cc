"""How good are the forecasts: metrics, baselines, scores, plots and the report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["metrics"])
