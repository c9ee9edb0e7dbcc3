"""The only package that knows MLflow: where the store is, how runs are named there, and the mirror itself."""
