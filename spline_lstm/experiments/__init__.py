"""The pipeline run with several models, feature modes and seeds as DVC experiments, and what comes out of it."""
