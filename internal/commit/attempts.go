package commit

// maxAttempts is how often a request is repeated whose answer was lost, while the host is reachable.
const maxAttempts = 3

// pings is the number of pings of a roll call: the shortest round trip tells the clocks' difference
// best.
const pings = 3
