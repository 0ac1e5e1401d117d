"""Path selectors: which path of the current group the next I/O takes. Importing a module registers its selector."""
