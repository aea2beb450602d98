"""What a model says of single videos, and the lines that tell it."""
