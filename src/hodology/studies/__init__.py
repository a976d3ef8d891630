"""One file per paper: embedded data, a method, and the paper's claims."""
