"""The contract between processes: messages, activity stubs, names, limits and the payload converter."""
