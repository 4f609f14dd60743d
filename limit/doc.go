// Package limit says who may send how much: a rate for each client, a fair share of what there is
// too little of, and how long whoever is refused should wait. It knows no protocol: a client is a
// name, and time comes from outside.
package limit
