"""What an update reports to the callbacks."""

import numpy as np

LOGS = {
    "loss": np.float32(0.1),
    "accuracy": np.float32(0.25),
    "learning_rate": np.float32(1e-3),
    "gradient_norm": np.float32(2.0),
    "loss_scale": np.float32(1.0),
    "weight": np.float32(4.0),
    "video": np.array([3, 1, 2, 0]),
    "data_wait": 0.5,
}
