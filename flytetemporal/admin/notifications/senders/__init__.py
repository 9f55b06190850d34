"""The ways in which a notification leaves the installation."""
