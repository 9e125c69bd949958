"""Taking in what an MLflow server holds, and reading what is here in the same words."""
