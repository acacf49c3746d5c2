"""Judgement: do two nested outputs agree, and how far do they differ."""
