"""What machine code is made for, one file for each kind of task."""
