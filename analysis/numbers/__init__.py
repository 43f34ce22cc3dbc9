"""What can be computed from tables and candidates, a file per question, and how numbers read (`wording.py`)."""
