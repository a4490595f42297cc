"""How good a forecast is: metrics, baselines, scores over windows, plots and the report."""
