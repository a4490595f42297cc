"""Training of a network: windows on the device, losses, optimizers, the loop, checkpoints."""
