"""Door as it is deployed, on this machine: what the drill is made of."""
