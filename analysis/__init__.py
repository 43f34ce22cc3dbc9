"""What was learned: tables, figures and a report, made from the study on disk alone."""
