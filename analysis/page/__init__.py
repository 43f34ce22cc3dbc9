"""The report's page: one HTML file with all that it needs, whose table and charts answer to each other."""
