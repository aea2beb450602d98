"""What is on disk is there whole or not at all; entry points use its modules."""
