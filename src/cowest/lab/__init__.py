"""The lab: CoWest on two tiny models made from scratch, in an invented world."""
