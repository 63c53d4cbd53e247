"""Masks: immutable label arrays on exactly a volume's grid."""
