"""Projects: one segmentation task each, with versioned label sets."""
