"""Video Swin Transformer, equal to the official implementation."""
