"""Tests of the models: shared checks over the registry, and what each part has to do on its own."""
