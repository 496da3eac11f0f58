"""How each network is trained here: recipe, batch and loss of one network in a module each."""
