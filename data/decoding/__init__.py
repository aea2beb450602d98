"""Video files to planar clips and back; the only package that imports OpenCV, PyAV."""
