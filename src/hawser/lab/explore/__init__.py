"""Exhaustive exploration of small worlds: every order in which a few commands, answers, failures and ghosts can come about.

`search.explore(scenario, ...)` drives the unchanged engine through all of them, `scenarios` names the worlds.
"""
