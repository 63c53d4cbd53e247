"""Pure arrays: geometry, NIfTI, labels, metrics, phantoms; knows no database."""
