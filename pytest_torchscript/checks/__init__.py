"""The questions put to an exported model."""
