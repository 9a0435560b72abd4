"""What arrays hold: sums, histograms, tables that show them."""
