"""Tables, figures and a report of what was learned, made from the study on disk alone."""
