package commit

// maxAttempts is how often the same is tried on a host whose answer was lost, while it is reachable.
const maxAttempts = 3

// pings is the number of pings of a roll call: the shortest round trip tells the clocks' difference
// best.
const pings = 3
