"""Which frames of a video are read, which crops and by which random draws."""
