"""Who may do what, as it is stored: roles, API keys and the audit log."""
