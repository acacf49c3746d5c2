"""A stand-in for torch_neuronx 2.13, the native generation: no trace (see ../../README.md)."""

__version__ = "2.13.3.0"
