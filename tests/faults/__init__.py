"""What fails around the program: the disk, the clock, other processes."""
