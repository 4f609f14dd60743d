package httpapi

// reason is why a request was refused.
type reason uint8

const (
	reasonMalformed reason = iota
	reasonHeader
	reasonTimeout
	reasonCutShort
	reasonUnknownPath
	reasonMethod
	reasonParameter
	reasonTooManyGroups
	reasonGone
	reasonOrigin
	reasonMediaType
	reasonEncoding
	reasonCorrupt
	reasonBodySize
	reasonDecodedSize
	reasonTooManyFlows
	reasonInvalidBatch
	reasonReused
	reasonTooOld
	reasonTooManyHours
	reasonMaxHours
	reasonMaxAhead
	reasonInDoubt
	reasonFailed
	reasonDamagedBlock
	reasonInflight
	reasonMemory
	reasonQueue
	reasonQueries
	reasonConnections
	reasonNotReady
	reasonUnavailable // the engine has a word of its own for it
	reasonPanic
	reasonAccess // the gate has a word of its own for it
	reasonScope
	reasonForeignVPC
	reasonRate
	reasonBurst
	reasonShare
	reasonAddress
	reasonAddressShare
	reasonQueryShare
	reasonPlainHTTP
	reasonVersion
	reasons
)

var reasonNames = [reasons]string{
	reasonMalformed:     "malformed_request",
	reasonHeader:        "header_too_large",
	reasonTimeout:       "timeout",
	reasonCutShort:      "cut_short",
	reasonUnknownPath:   "unknown_path",
	reasonMethod:        "method",
	reasonParameter:     "parameter",
	reasonTooManyGroups: "too_many_groups",
	reasonGone:          "client_gone",
	reasonOrigin:        "batch_name",
	reasonMediaType:     "media_type",
	reasonEncoding:      "content_encoding",
	reasonCorrupt:       "corrupt_encoding",
	reasonBodySize:      "body_too_large",
	reasonDecodedSize:   "decoded_body_too_large",
	reasonTooManyFlows:  "too_many_flows",
	reasonInvalidBatch:  "invalid_batch",
	reasonReused:        "name_reused",
	reasonTooOld:        "sequence_too_old",
	reasonTooManyHours:  "too_many_hours",
	reasonMaxHours:      "max_hours",
	reasonMaxAhead:      "max_ahead",
	reasonInDoubt:       "in_doubt",
	reasonFailed:        "failed",
	reasonDamagedBlock:  "damaged-block",
	reasonInflight:      "inflight_bytes",
	reasonMemory:        "memory",
	reasonQueue:         "queue_full",
	reasonQueries:       "too_many_queries",
	reasonConnections:   "too_many_connections",
	reasonNotReady:      "not_ready",
	reasonUnavailable:   "unavailable",
	reasonPanic:         "panic",
	reasonAccess:        "access",
	reasonScope:         "scope",
	reasonForeignVPC:    "foreign_vpc",
	reasonRate:          "rate",
	reasonBurst:         "burst",
	reasonShare:         "over_share",
	reasonAddress:       "address_connections",
	reasonAddressShare:  "address_share",
	reasonQueryShare:    "query_share",
	reasonPlainHTTP:     "plain_http",
	reasonVersion:       "http_version",
}
