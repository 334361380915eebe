"""This process: what it says, which signals it hears, which rank it is, and the machine it is on."""
