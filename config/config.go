// Package config holds the settings of the server: one struct with their defaults, their
// ranges and their help, and the sources that they come from. A setting is taken from the
// first of these that has it:
//
//  1. its flag:                 --max-flows=1000
//  2. its environment variable: FLOWD_MAX_FLOWS=1000
//  3. the YAML file of --config: max-flows: 1000
//  4. its default
//
// Every source is checked, also where a stronger one covers it, and everything that is wrong
// is reported at once, each with its place. It imports nothing else of this program.
package config

import "time"

// Config is every setting of the server. Add one here and it is a flag, an environment
// variable, a key of the file, a line of the help and a line of "flowd config".
//
// The tags: name is the key in every source, default its value in the absence of all of them,
// range the smallest and the largest value allowed.
type Config struct {
	Listen     Address    `name:"listen" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to serve on; no host means all interfaces, port 0 any free one."`
	Data       Folder     `name:"data" placeholder:"FOLDER" help:"Refused: this version keeps flows in memory only."`
	Durability Durability `name:"durability" default:"none" placeholder:"none" help:"How safe a flow is once it is accepted. Only none exists in this version: a restart begins empty."`
	Shards     Shards     `name:"shards" default:"0" range:"0..1024" help:"Goroutines that add flows up, a power of two; 0 is one per CPU, rounded up."`
	File       string     `name:"config" placeholder:"FILE" help:"YAML file with settings, by the names of these flags."`
	LogLevel   LogLevel   `name:"log-level" default:"info" placeholder:"info" help:"The least level that is logged: debug, info, warn or error."`
	LogFormat  LogFormat  `name:"log-format" default:"text" placeholder:"text" help:"How log lines are written: text or json."`

	MaxBodyBytes     Size `name:"max-body-bytes" default:"4MiB" range:"1KiB..1GiB" group:"Limits:" help:"Largest body of a request as it was sent; beyond it is 413."`
	MaxDecodedBytes  Size `name:"max-decoded-bytes" default:"16MiB" range:"1KiB..1GiB" group:"Limits:" help:"Largest body once decompressed; beyond it is 413."`
	MaxFlows         int  `name:"max-flows" default:"50000" range:"1..1000000" group:"Limits:" help:"Most flows of one batch; beyond it is 413."`
	MaxHeaderBytes   Size `name:"max-header-bytes" default:"8KiB" range:"1KiB..1MiB" group:"Limits:" help:"Longest request line and headers together; beyond it is 431. Every open connection holds as much."`
	MaxInflightBytes Size `name:"max-inflight-bytes" default:"256MiB" range:"1KiB..1TiB" group:"Limits:" help:"Most memory for bodies at once, over all requests; beyond it is 503."`
	MaxConnections   int  `name:"max-connections" default:"20000" range:"1..1000000" group:"Limits:" help:"Most connections open at once; one more is answered 503."`
	MaxQueries       int  `name:"max-queries" default:"32" range:"1..10000" group:"Limits:" help:"Most reads answered at once; beyond it is 503."`
	QueueBatches     int  `name:"queue-batches" default:"0" range:"0..65536" group:"Limits:" help:"Batches being filled or waiting for a shard; 0 is 32 per shard."`

	QueueWait    time.Duration `name:"queue-wait" default:"1s" range:"0s..1m" group:"Limits:" help:"How long a POST may wait for a batch to come free; then it is answered 503."`
	ReadTimeout  time.Duration `name:"read-timeout" default:"30s" range:"100ms..1h" group:"Limits:" help:"Longest time for a request to arrive, headers and body; then it is answered 408."`
	WriteTimeout time.Duration `name:"write-timeout" default:"30s" range:"100ms..1h" group:"Limits:" help:"Longest time for a client to take in a part of an answer, at most 128 KiB."`
	IdleTimeout  time.Duration `name:"idle-timeout" default:"2m" range:"100ms..24h" group:"Limits:" help:"How long a connection may stay open between two requests."`

	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"15s" range:"100ms..1h" group:"Stopping:" help:"Longest time for requests under way to finish at a stop."`
	DrainDelay      time.Duration `name:"drain-delay" default:"0s" range:"0s..10m" group:"Stopping:" help:"How long to go on serving at a stop, with /readyz at 503, so that load balancers move away first."`
}

// envPrefix begins the name of every environment variable of the server.
const envPrefix = "FLOWD_"
