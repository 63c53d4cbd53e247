"""The segmentation worker."""
