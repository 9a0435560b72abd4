"""The speed of each release on each machine: recorded, drawn, and compared with that of a checkout."""
