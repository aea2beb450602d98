"""Weights of Video Swin in every known form: read, checked, converted and written."""
