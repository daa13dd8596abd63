"""In which order, pieces and places tasks are carried out."""
