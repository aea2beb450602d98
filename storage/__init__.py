"""What is on disk: every file and folder is there whole or not at all."""
