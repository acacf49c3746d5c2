"""RunReport to bytes: knows no pytest."""
