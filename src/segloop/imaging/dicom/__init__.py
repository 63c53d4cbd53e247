"""DICOM in and out: is a series one volume, its voxels on a grid, and masks as objects that a PACS takes."""
