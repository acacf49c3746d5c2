"""What may be fed: inputs inferred or declared, values drawn, sizes moved."""
