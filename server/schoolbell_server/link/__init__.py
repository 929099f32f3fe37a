"""The link: a district's server sends through a hub, over a message broker."""
