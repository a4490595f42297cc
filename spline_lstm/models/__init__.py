"""Recurrent forecasters in Flax nnx."""
