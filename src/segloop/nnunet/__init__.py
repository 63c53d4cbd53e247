"""Everything that imports torch or nnunetv2: prediction, model import, training."""
