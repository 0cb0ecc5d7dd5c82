"""What a person looks at: figures, results that show themselves, and the offline page of a run."""
