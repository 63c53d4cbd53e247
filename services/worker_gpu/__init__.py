"""services.worker_gpu."""
