"""Numbers about jobs: places in queues, usual times, counts."""
