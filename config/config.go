// Package config holds the settings of the server: one struct with their defaults, their ranges and their
// help, and the sources that they come from. The value of a setting comes from the first of these that
// gives it:
//
//  1. its flag:                 --max-flows=1000
//  2. its environment variable: FLOWD_MAX_FLOWS=1000
//  3. the YAML file of --config: max-flows: 1000
//  4. its default
//
// Every source is checked, even if a stronger one overrides it, and all problems are reported at once, each
// with its place. It imports no other package of this program.
package config

import "time"

// Config holds every setting of the server. A field added here becomes a flag, an environment variable, a
// key of the file, a line of the help and a line of "flowd config".
//
// The tags: name is the key in every source, default the value without any source, range the smallest and
// the largest allowed value, reload whether the value may change while the server runs.
type Config struct {
	Listen    Address   `name:"listen" default:"127.0.0.1:8080" placeholder:"127.0.0.1:8080" help:"Address to serve on; no host means all interfaces, port 0 any free one."`
	Shards    Shards    `name:"shards" default:"0" range:"0..1024" help:"Goroutines that add flows up, a power of two; 0 is one per CPU, rounded up."`
	File      string    `name:"config" placeholder:"FILE" help:"YAML file with settings, by the names of these flags."`
	LogLevel  LogLevel  `name:"log-level" default:"info" placeholder:"info" reload:"yes" help:"The least level that is logged: debug, info, warn or error."`
	LogFormat LogFormat `name:"log-format" default:"text" placeholder:"text" help:"How log lines are written: text or json."`

	AdminListen     AdminAddress `name:"admin-listen" default:"127.0.0.1:8081" placeholder:"127.0.0.1:8081" group:"Access:" help:"Address of the admin listener, which has /-/reload and /debug/pprof/; off disables it. If it is not given and the port is taken, the server does without."`
	TokensFile      string       `name:"tokens-file" placeholder:"FILE" group:"Access:" reload:"yes" help:"YAML file of the tokens and their permissions; without it any client may do everything, and only loopback may be listened on."`
	Insecure        Switch       `name:"insecure" default:"false" group:"Access:" help:"Listen beyond loopback without tokens-file, so that any client that reaches the port may do everything."`
	TLSCertFile     string       `name:"tls-cert-file" placeholder:"FILE" group:"Access:" reload:"yes" help:"PEM file of the certificate to serve HTTPS with, and of those between it and its authority; read again when it changes."`
	TLSKeyFile      string       `name:"tls-key-file" placeholder:"FILE" group:"Access:" reload:"yes" help:"PEM file of the private key of tls-cert-file; read again when it changes."`
	TLSClientCAFile string       `name:"tls-client-ca-file" placeholder:"FILE" group:"Access:" reload:"yes" help:"PEM file of the authorities of client certificates, which tokens-file may give rights to, as it does to tokens."`

	Data               Folder        `name:"data" default:"flowd-data" placeholder:"flowd-data" group:"Durability:" help:"Folder of the log and the hours, made if it is not there; an empty one (--data=) keeps flows in memory only, with durability none."`
	Durability         Durability    `name:"durability" default:"fsync" placeholder:"fsync" group:"Durability:" help:"What an accepted batch survives. fsync: a power cut, for it is on disk before the answer. interval: a crash of the server; a power cut may take the last sync-interval. none: nothing, but a checkpoint at times saves all."`
	SyncInterval       time.Duration `name:"sync-interval" default:"1s" range:"1ms..1m" group:"Durability:" help:"How often the log is brought to disk with durability interval."`
	SegmentBytes       Size          `name:"segment-bytes" default:"64MiB" range:"1MiB..1GiB" group:"Durability:" help:"Size of each file of the log; the largest batch must fit in one."`
	CheckpointInterval time.Duration `name:"checkpoint-interval" default:"5m" range:"1s..24h" group:"Durability:" help:"Longest time until changed hours are written to files of their own, and the log before that is dropped."`
	CheckpointLog      Size          `name:"checkpoint-log" default:"512MiB" range:"1MiB..64TiB" group:"Durability:" help:"Longest log until the same is done; a start reads up to the same amount again."`
	ParquetFolder      ParquetFolder `name:"parquet-folder" default:"link" placeholder:"link" group:"Durability:" help:"How hours come into the folder parquet/ that other programs read. link: as second names of their files, which take no space. copy: as copies, which take it twice, where the file system has no hard links. off: there is no such folder."`
	MemoryBudget       AutoSize      `name:"memory-budget" default:"auto" range:"1MiB..64TiB" group:"Durability:" help:"Memory for totals; beyond it, the hours that were not used for longest are answered from disk; auto is a third of the memory that the process may have, at most 1GiB where nothing but the machine bounds that."`

	Retention      time.Duration `name:"retention" default:"2160h" range:"0s..876000h" group:"Retention:" reload:"yes" help:"How long an hour is kept after the last flow was added to it; 0 is for ever."`
	RetentionBytes Size          `name:"retention-bytes" default:"0" range:"0..1024TiB" group:"Retention:" reload:"yes" help:"Most bytes of hours on disk; beyond it, those go that no flow was added to for longest; 0 is no bound."`
	MaxHours       int           `name:"max-hours" default:"10000" range:"1..1000000" group:"Retention:" help:"Most hours kept; a batch that would open more is answered 400, but hours within two days of the clock are always taken. A batch with more hours by itself is answered 413."`
	MaxAhead       time.Duration `name:"max-ahead" default:"48h" range:"0s..876000h" group:"Retention:" reload:"yes" help:"How far ahead of the clock an hour of a flow may be; one further is answered 400; 0 is no bound. Hours below 100000 are taken for those of people who number hours as they like."`
	ClockHold      time.Duration `name:"clock-hold" default:"24h" range:"0s..8760h" group:"Retention:" help:"How long the server must run with a clock that went ahead, or after a pause that was longer than this, before hours expire by it; 0 is not at all."`

	IdempotencyWindow time.Duration `name:"idempotency-window" default:"24h" range:"1s..8760h" group:"Idempotency:" help:"How long an Idempotency-Key is remembered, so that its batch counts once, and an agent after its last batch."`
	IdempotencyKeys   int           `name:"idempotency-keys" default:"1000000" range:"1..100000000" group:"Idempotency:" help:"Most keys remembered; beyond it, the oldest are forgotten of the client that has most."`
	MaxAgents         int           `name:"max-agents" default:"100000" range:"1..10000000" group:"Idempotency:" help:"Most agents (Flowd-Agent) whose sequences are remembered; one that sent nothing for idempotency-window makes room, else a new one is answered 503, as it is for a client that has its share, four fifths at most."`

	MaxBodyBytes     Size     `name:"max-body-bytes" default:"4MiB" range:"1KiB..1GiB" group:"Limits:" help:"Largest body of a request as it was sent; beyond it is 413."`
	MaxDecodedBytes  Size     `name:"max-decoded-bytes" default:"16MiB" range:"1KiB..1GiB" group:"Limits:" help:"Largest body once decompressed; beyond it is 413."`
	MaxFlows         int      `name:"max-flows" default:"50000" range:"1..1000000" group:"Limits:" reload:"yes" help:"Most flows of one batch; beyond it is 413."`
	MaxHeaderBytes   Size     `name:"max-header-bytes" default:"8KiB" range:"1KiB..1MiB" group:"Limits:" help:"Longest request line and headers together; beyond it is 431. Every open connection holds a buffer of this size."`
	MaxInflightBytes AutoSize `name:"max-inflight-bytes" default:"auto" range:"1KiB..1TiB" group:"Limits:" help:"Most memory for bodies at once, over all requests; beyond it is 503; auto is an eighth of the memory that the process may have, at most 256MiB, and no less than one request may need."`
	MaxConnections   int      `name:"max-connections" default:"20000" range:"1..1000000" group:"Limits:" help:"Most connections open at once; one more is answered 503."`
	MaxQueries       int      `name:"max-queries" default:"32" range:"1..10000" group:"Limits:" reload:"yes" help:"Most reads answered at once, of which a client gets its share, four fifths at most; beyond it is 503."`
	MaxGroups        int      `name:"max-groups" default:"1000000" range:"1..100000000" group:"Limits:" reload:"yes" help:"Most rows that one read may hold at once to add them up or to sort them, and the largest limit; beyond it is 400."`
	QueueBatches     int      `name:"queue-batches" default:"0" range:"0..65536" group:"Limits:" help:"Batches being filled or waiting for a shard; 0 is 32 per shard."`

	RateFlows                int  `name:"rate-flows" default:"0" range:"0..1000000000" group:"Limits:" reload:"yes" help:"Most flows per second of each token, or of each address where there are no tokens; beyond it is 429; 0 is no bound."`
	RateFlowsBurst           int  `name:"rate-flows-burst" default:"0" range:"0..10000000000" group:"Limits:" reload:"yes" help:"Most flows at once after a rest; 0 is ten seconds of rate-flows, and at least max-flows."`
	RateBytes                Size `name:"rate-bytes" default:"0" range:"0..1TiB" group:"Limits:" reload:"yes" help:"Most bytes per second of bodies as they were sent, of each as for rate-flows; beyond it is 429; 0 is no bound."`
	RateBytesBurst           Size `name:"rate-bytes-burst" default:"0" range:"0..10TiB" group:"Limits:" reload:"yes" help:"Most bytes at once after a rest; 0 is ten seconds of rate-bytes, and at least max-body-bytes."`
	RateClients              int  `name:"rate-clients" default:"100000" range:"1..10000000" group:"Limits:" help:"Most tokens or addresses whose rates are remembered; beyond it, those are forgotten that sent nothing for longest."`
	MaxConnectionsPerAddress int  `name:"max-connections-per-address" default:"0" range:"0..1000000" group:"Limits:" reload:"yes" help:"Most connections of one address open at once; one more is answered 503; 0 is a share of max-connections, four fifths at most."`
	MaxTuplesHour            int  `name:"max-tuples-hour" default:"5000000" range:"0..1000000000" group:"Limits:" reload:"yes" help:"Most tuples of one hour, of which a VPC gets its share, four fifths at most; beyond it, flows of new tuples are added up under ~other as src_app and dest_app, by vpc_id; 0 is no bound."`
	MaxTuples                int  `name:"max-tuples" default:"20000000" range:"0..1000000000" group:"Limits:" reload:"yes" help:"Most tuples in memory over all hours, shared in the same way; beyond it, the same is done; 0 is no bound."`

	QueueWait    time.Duration `name:"queue-wait" default:"1s" range:"0s..1m" group:"Limits:" reload:"yes" help:"How long a POST may wait for a free batch; then it is answered 503."`
	ReadTimeout  time.Duration `name:"read-timeout" default:"30s" range:"100ms..1h" group:"Limits:" help:"Longest time for a request to arrive, headers and body; then it is answered 408."`
	WriteTimeout time.Duration `name:"write-timeout" default:"30s" range:"100ms..1h" group:"Limits:" help:"Longest time for a client to receive a part of an answer, at most 128 KiB."`
	IdleTimeout  time.Duration `name:"idle-timeout" default:"2m" range:"100ms..24h" group:"Limits:" help:"How long a connection may stay open between two requests."`

	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"15s" range:"100ms..1h" group:"Stopping:" reload:"yes" help:"Longest time for requests under way to finish at a stop."`
	DrainDelay      time.Duration `name:"drain-delay" default:"0s" range:"0s..10m" group:"Stopping:" reload:"yes" help:"How long to go on serving at a stop, with /readyz at 503, so that load balancers move away first."`
}

// envPrefix is the prefix of every environment variable of the server.
const envPrefix = "FLOWD_"
