"""What is measured and computed about this project, to be run by hand."""
