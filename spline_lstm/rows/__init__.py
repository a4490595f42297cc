"""Rows of a table without timestamps: quality, splits, and the constants that make them inputs."""
