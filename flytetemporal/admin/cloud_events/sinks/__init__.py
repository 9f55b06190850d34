"""Where CloudEvents are sent."""
