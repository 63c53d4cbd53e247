"""Inputs nobody wrote: mutated files for each parser, and requests for each operation of the API."""
