"""Reports: the results of experiments as one page, figures and tables for other programs."""
