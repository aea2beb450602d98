"""Evaluation: probabilities over all views of each video, accuracies, the report."""
