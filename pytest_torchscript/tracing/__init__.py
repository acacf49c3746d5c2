"""The static half: trace one example, compare two traces, name the line that froze a size."""
