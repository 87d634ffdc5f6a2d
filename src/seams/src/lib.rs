//! Disk, clock and randomness behind small traits, real and simulated.
