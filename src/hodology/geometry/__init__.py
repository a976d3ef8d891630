"""Shape of representations: dissimilarities, their comparison, kernel alignment, canonical correlations."""
