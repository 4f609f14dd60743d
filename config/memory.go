package config

import (
	"fmt"
	"math"
)

// Memory is the memory that the process may have.
type Memory struct {
	// Bytes is what Go should keep to; 0 is that it is not known.
	Bytes int64
	// Source says in words where that comes from.
	Source string
	// Shared says that others may want a part of it, as it is the machine's: then no more is planned with
	// than without knowing it.
	Shared bool
}

// What AutoSizes are, as parts of the memory, and where it is not known.
const (
	budgetPart      = 3
	budgetUnknown   = Size(1 << 30)
	inflightPart    = 8
	inflightUnknown = Size(256 << 20)
)

// SetMemory says what memory the process may have, before anything is parsed.
func (l *Loader) SetMemory(m Memory) { l.memory = m }

// resolve works out what was left to auto. It notes how, for Report.
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
			// Where that is too little for one request, as much as it may need, if most of the memory is left.
			if need := c.largestRequest(); need > size && need <= part(m.Bytes, 2) {
				size, how = need, "auto: what one request may need, of "+m.String()
			}
		}
		c.MaxInflightBytes, l.auto["max-inflight-bytes"] = AutoSize(max(size, 1<<10)), how
	}
}

// part returns one of n parts of a number of bytes, in whole MiB where it has some.
func part(bytes int64, n int64) Size {
	size := Size(bytes / n)
	if size > 1<<20 {
		size = size >> 20 << 20
	}
	return size
}

// largestRequest returns the most memory that the body of one request may take. Memory for a body comes in
// powers of two, so it may be twice the body. While it grows, the memory before is held too; and while it is
// decompressed, so is the compressed body.
func (c *Config) largestRequest() Size { return 2*c.MaxBodyBytes + 3*c.MaxDecodedBytes }

// String returns m in words.
func (m Memory) String() string {
	if m.Bytes <= 0 || m.Bytes == math.MaxInt64 {
		return "memory without a known limit"
	}
	return fmt.Sprintf("%s, which is %s", roughly(Size(m.Bytes)), m.Source)
}

// roughly writes s in whole MiB if it has many.
func roughly(s Size) string {
	if s >= 10<<20 {
		s = s >> 20 << 20
	}
	return s.String()
}
