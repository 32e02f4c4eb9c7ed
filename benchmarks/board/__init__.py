"""The scoreboard's parts: runs, kept so that an interrupted one goes on, and the page made of them."""
