"""What shows that a store is sound: verification and findings."""
