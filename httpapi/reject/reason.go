package reject

// Reason is why a request was rejected.
type Reason uint8

const (
	// Malformed and the reasons below it are named in metrics by reasonNames.
	Malformed Reason = iota
	HeaderTooLarge
	Timeout
	CutShort
	UnknownPath
	Method
	Parameter
	TooManyGroups
	Disconnected
	BatchName
	MediaType
	ContentEncoding
	CorruptEncoding
	BodyTooLarge
	DecodedTooLarge
	TooManyFlows
	BatchTooLarge
	InvalidBatch
	NameReused
	TooOld
	TooManyHours
	MaxHours
	MaxAhead
	InDoubt
	Failed
	DamagedBlock
	InflightBytes
	NoMemory
	QueueFull
	TooManyQueries
	TooManyConnections
	NotReady
	Unavailable // the engine has a word of its own for it
	Panic
	Access // the gate has a word of its own for it
	Scope
	ForeignVPC
	Rate
	Burst
	OverShare
	AddressConnections
	AddressShare
	QueryShare
	PlainHTTP
	Version
	reasons
)

var reasonNames = [reasons]string{
	Malformed:          "malformed_request",
	HeaderTooLarge:     "header_too_large",
	Timeout:            "timeout",
	CutShort:           "cut_short",
	UnknownPath:        "unknown_path",
	Method:             "method",
	Parameter:          "parameter",
	TooManyGroups:      "too_many_groups",
	Disconnected:       "client_gone",
	BatchName:          "batch_name",
	MediaType:          "media_type",
	ContentEncoding:    "content_encoding",
	CorruptEncoding:    "corrupt_encoding",
	BodyTooLarge:       "body_too_large",
	DecodedTooLarge:    "decoded_body_too_large",
	TooManyFlows:       "too_many_flows",
	BatchTooLarge:      "batch_too_large",
	InvalidBatch:       "invalid_batch",
	NameReused:         "name_reused",
	TooOld:             "sequence_too_old",
	TooManyHours:       "too_many_hours",
	MaxHours:           "max_hours",
	MaxAhead:           "max_ahead",
	InDoubt:            "in_doubt",
	Failed:             "failed",
	DamagedBlock:       "damaged-block",
	InflightBytes:      "inflight_bytes",
	NoMemory:           "memory",
	QueueFull:          "queue_full",
	TooManyQueries:     "too_many_queries",
	TooManyConnections: "too_many_connections",
	NotReady:           "not_ready",
	Unavailable:        "unavailable",
	Panic:              "panic",
	Access:             "access",
	Scope:              "scope",
	ForeignVPC:         "foreign_vpc",
	Rate:               "rate",
	Burst:              "burst",
	OverShare:          "over_share",
	AddressConnections: "address_connections",
	AddressShare:       "address_share",
	QueryShare:         "query_share",
	PlainHTTP:          "plain_http",
	Version:            "http_version",
}
