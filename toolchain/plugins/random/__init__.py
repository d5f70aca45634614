"""The random plugin: RandomPassword and RandomBytes as pulumi-random 4.21.4 has them."""
