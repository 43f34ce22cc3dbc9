"""What can be computed from tables alone, a file per question, and how numbers read (`wording.py`)."""
