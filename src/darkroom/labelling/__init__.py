"""What is wrong with the labels, and which pictures to label next: one table of features, and what follows from it."""
