"""The control plane: Flyte's services over Postgres."""
