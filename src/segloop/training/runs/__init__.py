"""Training runs: what a job of kind `train` is about, its cases, and how it comes along."""
