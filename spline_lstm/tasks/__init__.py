"""Tasks: what a pipeline learns, and the parts of the stages that depend on it."""
