"""A forecaster in memory: fit, predict, save and load, without a pipeline folder."""
