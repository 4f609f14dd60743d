package config

import (
	"fmt"
	"math"
)

// Memory describes the memory that the process may have.
type Memory struct {
	// Bytes is the limit that Go should respect; 0 if it is not known.
	Bytes int64
	// Source describes the origin of the limit.
	Source string
	// Shared tells that other processes may need a part of it, as of the memory of the machine. Then
	// AutoSizes do not exceed their values for unknown memory.
	Shared bool
}

// The fractions of the memory that AutoSizes get, and their values if the memory is not known.
const (
	budgetPart      = 3
	budgetUnknown   = Size(1 << 30)
	inflightPart    = 8
	inflightUnknown = Size(256 << 20)
)

// SetMemory sets the memory of the process. It must be called before anything is parsed.
func (l *Loader) SetMemory(m Memory) { l.memory = m }

// resolve computes the sizes that are set to auto. It records how, for Report.
func (l *Loader) resolve(c *Config) {
	m := l.memory
	if l.auto == nil {
		l.auto = map[string]string{}
	}
	if c.MemoryBudget == Auto {
		size, how := budgetUnknown, "auto: it is not known how much memory there is"
		if m.Bytes > 0 {
			size, how = part(m.Bytes, budgetPart), "auto: a third of "+m.String()
			if m.Shared && size > budgetUnknown {
				size, how = budgetUnknown, "auto: as "+m.String()+" is for others too"
			}
		}
		c.MemoryBudget, l.auto["memory-budget"] = AutoSize(max(size, 1<<20)), how
	}
	if c.MaxInflightBytes == Auto {
		size, how := inflightUnknown, "auto: it is not known how much memory there is"
		if m.Bytes > 0 {
			size, how = part(m.Bytes, inflightPart), "auto: an eighth of "+m.String()
			if size > inflightUnknown {
				size, how = inflightUnknown, "auto: at most that, of "+m.String()
			}
			// If that is too little for one request, use what a request may need, provided that most of the
			// memory is left.
			if need := c.largestRequest(); need > size && need <= part(m.Bytes, 2) {
				size, how = need, "auto: what one request may need, of "+m.String()
			}
		}
		c.MaxInflightBytes, l.auto["max-inflight-bytes"] = AutoSize(max(size, 1<<10)), how
	}
}

// part returns an n-th of a number of bytes, rounded to whole MiB if it has some.
func part(bytes int64, n int64) Size {
	size := Size(bytes / n)
	if size > 1<<20 {
		size = size >> 20 << 20
	}
	return size
}

// largestRequest returns the most memory that the body of one request may take. Buffers for bodies have
// sizes that are powers of two, so a buffer may be twice the body. While a buffer grows, the previous one
// is held too; and while a body is decompressed, so is the compressed one.
func (c *Config) largestRequest() Size { return 2*c.MaxBodyBytes + 3*c.MaxDecodedBytes }

// String describes m.
func (m Memory) String() string {
	if m.Bytes <= 0 || m.Bytes == math.MaxInt64 {
		return "memory without a known limit"
	}
	return fmt.Sprintf("%s, which is %s", roughly(Size(m.Bytes)), m.Source)
}

// roughly writes s, in whole MiB if it has many.
func roughly(s Size) string {
	if s >= 10<<20 {
		s = s >> 20 << 20
	}
	return s.String()
}
