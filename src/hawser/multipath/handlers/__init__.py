"""Hardware handlers: how arrays are told which of their ports shall serve. Importing a module registers its handler."""
