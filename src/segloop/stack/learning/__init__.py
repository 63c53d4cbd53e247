"""Benchmarks of learning: whether corrections make a model better, measured on patients that nobody fed."""
