"""Any TensorFlow Hub model, a SavedModel that runs as it is, as a backbone."""
