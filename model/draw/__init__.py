"""The drawing page: draw a digit in the browser and watch what the network makes of it."""
