"""Exhaustive exploration of small worlds: every order in which a few commands, answers, failures and ghosts can come about.

`search.explore(SCENARIOS[name], mode, fences, bound)` drives the unchanged engine through all of them; `scenarios` names the
worlds and their bounds, `moves` and `perform` say what can happen, `register` and `judge` what clients may be told, `digest`
which states are the same. What is *not* covered: moves take no time, so hawser's timers expire in the order of their deadlines
(any other move may come between); a server executes a command whole, or in the two steps of a read-modify-write; both paths
lead to one disk.
"""
