"""`segloop bench inference`: the engine and the queue beside nnU-Net's own command, on the same files and weights."""
