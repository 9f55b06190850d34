"""The door to Kubernetes: one client per cluster, and shared watches."""
