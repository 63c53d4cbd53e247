"""Model versions: a project's numbered line of models and their stages."""
