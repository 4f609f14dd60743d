// Package limit bounds the load of clients: a rate for each client, a fair share of scarce resources, and
// the time after which a refused client should retry. It knows no protocol: a client is a name, and callers
// pass the time.
package limit
