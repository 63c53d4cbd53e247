"""Segloop: interactive 3D CT segmentation that learns from corrections."""

__version__ = "0.1.0"
