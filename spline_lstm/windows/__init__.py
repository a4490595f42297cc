"""Forecast windows: as-of arrays, scaling, origins and splits."""
