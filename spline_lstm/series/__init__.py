"""From a raw table to regular as-of arrays: reading, grid, splines, covariates, scaling."""
