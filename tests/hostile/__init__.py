"""Files, names and requests of somebody who means harm, or that a fault has damaged."""
