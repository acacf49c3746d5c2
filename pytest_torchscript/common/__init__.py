"""What every part of the engine may lean on: silence, seeds, copies, the call of the tracer, whose code a line is."""
