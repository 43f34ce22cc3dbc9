"""What a report says of a run, in words: sentences, short answers, and what to do next."""
