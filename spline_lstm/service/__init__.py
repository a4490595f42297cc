"""Forecasts over HTTP, from the files that the stages and the registry wrote; no JAX."""
