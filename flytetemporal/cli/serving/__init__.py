"""What the server commands share: signals, readiness notifications, waiting for other servers."""
