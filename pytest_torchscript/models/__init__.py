"""What is under test: a reference becomes a plan, the plan becomes an eager model."""
