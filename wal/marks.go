package wal

// marks record how many bytes had been written before a group, approximately: one mark for each step of
// bytes. They convert a position, which has no byte offset, to a size.
type marks struct {
	step    int64
	base    int64 // bytes before the position of the last drop
	written int64 // bytes before the next group
	list    []mark
}

type mark struct {
	group  uint64
	before int64
}

// newMarks starts with a number of bytes that were read, before the given group.
func newMarks(step, read int64, group uint64) marks {
	return marks{step: step, written: read, list: []mark{{group, read}}}
}

// add counts a group of this many bytes.
func (m *marks) add(group uint64, bytes int64) {
	if last := m.list[len(m.list)-1]; m.written-last.before >= m.step {
		m.list = append(m.list, mark{group, m.written})
	}
	m.written += bytes
}

// drop forgets the bytes before group, except for up to one step.
func (m *marks) drop(group uint64) {
	kept := 0
	for i, k := range m.list {
		if k.group > group {
			break
		}
		kept, m.base = i, max(m.base, k.before)
	}
	m.list = append(m.list[:0], m.list[kept:]...)
}

func (m *marks) size() int64 { return m.written - m.base }
