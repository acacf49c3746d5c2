"""Toy models whose truth is known by exhaustive sweep: sound ones look suspicious, broken ones innocent."""
