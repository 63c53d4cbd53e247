"""Where tests of networks run: on the CPU and, where there is one, on a GPU."""

import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
