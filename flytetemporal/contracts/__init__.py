"""What crosses between processes: our messages, activity stubs, workflow names."""
