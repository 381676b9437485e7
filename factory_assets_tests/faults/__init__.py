"""What survives kills, full disks, failing calls, flipped bits and hostile input."""
