"""The model to tune: the network, its data, its training, and the classification of pictures with it."""
