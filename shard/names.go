package shard

import (
	"strings"
	"sync"
	"sync/atomic"

	"flowd/flow"
)

// numberedNames is the names of a dict's tuples by number, field by field, for readers who filter or add
// up by some of them: four bytes in the place of a record, and what is known of a name is found by its
// number instead of by its bytes. It is the readers' own: the reader that first needs a field of some tuples
// numbers it, in its own time and not in the shard's. Ids and keys never change, so what is numbered stays
// as it is; it goes with the dict.
type numberedNames struct {
	fields [flow.FieldCount]numberedField
	bytes  atomic.Uint64 // memory of all of them
}

// numberedField is one of the three names:
//
//	codes[id / 256][id % 256]    4 bytes: the number of the tuple's name
//	list.names[number]           the name
//
// Those chunks are there that an hour has which was asked about.
type numberedField struct {
	mu      sync.Mutex
	codes   []*[chunkSize]uint32
	done    []uint16 // how many ids of each chunk are numbered
	chunks  int      // that are there
	list    nameList
	tooMany bool   // names: nothing is numbered any more
	bytes   uint64 // as they were counted last
}

const (
	// namesMost is how many names of a field are numbered. Up to there all that a question knows of
	// them fits a cache, and even where hardly two tuples have the same name their numbers are faster
	// than their keys; beyond it they are not, and a field is given up.
	namesMost = 64 << 10
	// sparse is how many tuples there are to one of an hour that is read by keys whatever its names are:
	// to number them all would take longer than many questions.
	sparse = 16
	// codesSlab is how many chunks are one object to the garbage collector at most.
	codesSlab = 64
)

// codes is a field by number as a reader has it, for all the ids that it knows in the chunks that it has.
// It is valid for good.
type codes struct {
	chunks []*[chunkSize]uint32
	names  []string
}

// numbered returns a field by number, which it numbers as far as that was not done yet; or false if there
// are too many names.
func (s *snapshot) numbered(f flow.Field) (codes, bool) {
	names := &s.dict.names
	n := &names.fields[f]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tooMany {
		return codes{}, false
	}
	if n.number(s, f); n.tooMany {
		n.codes, n.done, n.chunks, n.list = nil, nil, 0, nameList{}
	}
	bytes := n.size()
	names.bytes.Add(bytes - n.bytes)
	n.bytes = bytes
	return codes{n.codes, n.list.names}, !n.tooMany
}

// isSparse reports whether s has few of the tuples in its chunks.
func (s *snapshot) isSparse() bool {
	all := uint64(0)
	for c := range s.chunks() {
		if s.has(c) {
			all += uint64(s.knownOf(c))
		}
	}
	return s.tuples*sparse < all
}

// number numbers the tuples in the chunks that s has, until there are too many names.
func (n *numberedField) number(s *snapshot, f flow.Field) {
	end := s.chunks()
	if more := int(end) - len(n.codes); more > 0 {
		n.codes = append(n.codes, make([]*[chunkSize]uint32, more)...)
		n.done = append(n.done, make([]uint16, more)...)
	}
	missing := 0
	for c := range end {
		if n.codes[c] == nil && s.has(c) {
			missing++
		}
	}
	n.chunks += missing
	var slab [][chunkSize]uint32
	for c := range end {
		if !s.has(c) {
			continue
		}
		if n.codes[c] == nil {
			if len(slab) == 0 {
				slab = make([][chunkSize]uint32, min(missing, codesSlab))
				missing -= len(slab)
			}
			n.codes[c], slab = &slab[0], slab[1:]
		}
		n.numberChunk(s, f, c)
		if n.tooMany = len(n.list.names) > s.limits.names; n.tooMany {
			return
		}
	}
}

// numberChunk numbers those tuples of chunk c that s knows and that are not numbered yet.
func (n *numberedField) numberChunk(s *snapshot, f flow.Field, c uint32) {
	from, to := uint32(n.done[c]), s.knownOf(c)
	for i := from; i < to; i++ {
		name := nameOf(s.keys.key(c*chunkSize+i), f)
		hash := s.dict.hasher.long(name)
		n.codes[c][i] = n.list.number(name, uint32(hash^hash>>32))
	}
	n.done[c] = uint16(max(from, to))
}

func nameOf(key flow.Key, f flow.Field) []byte {
	src, dest, vpc := key.Names()
	return [flow.FieldCount][]byte{src, dest, vpc}[f]
}

// size returns the memory of n in bytes.
func (n *numberedField) size() uint64 {
	const perChunk, codesBytes = 8 + 2, 4 * chunkSize
	return uint64(cap(n.codes)*perChunk+n.chunks*codesBytes) + n.list.size()
}

// nameList numbers names.
type nameList struct {
	names []string
	slots []nameSlot // a power of two, at most three quarters full
	// text is where the names are, in pieces, so that they are few objects to the garbage collector.
	text      strings.Builder
	textBytes int
}

// nameSlot is a free place if its entry is 0.
type nameSlot struct {
	hash  uint32
	entry uint32 // one more than the number
}

const (
	firstNameSlots = 64
	// Pieces of text double from textLeast to textMost bytes, so that few names take little.
	textLeast = 512
	textMost  = 64 << 10
)

// number returns the number of a name whose hash is given. It keeps a copy of a name that is new.
func (l *nameList) number(name []byte, hash uint32) uint32 {
	mask := uint32(len(l.slots) - 1)
	for i := hash & mask; len(l.slots) > 0; i = (i + 1) & mask {
		s := l.slots[i]
		if s.entry == 0 {
			break
		}
		if s.hash == hash && l.names[s.entry-1] == string(name) {
			return s.entry - 1
		}
	}
	l.names = append(l.names, l.keep(name))
	if 4*len(l.names) > 3*len(l.slots) {
		old := l.slots
		l.slots = make([]nameSlot, max(firstNameSlots, 2*len(old)))
		for _, s := range old {
			if s.entry != 0 {
				l.place(s)
			}
		}
	}
	l.place(nameSlot{hash, uint32(len(l.names))})
	return uint32(len(l.names) - 1)
}

func (l *nameList) place(s nameSlot) {
	mask := uint32(len(l.slots) - 1)
	i := s.hash & mask
	for l.slots[i].entry != 0 {
		i = (i + 1) & mask
	}
	l.slots[i] = s
}

// keep returns a copy of a name.
func (l *nameList) keep(name []byte) string {
	if l.text.Cap()-l.text.Len() < len(name) {
		l.text = strings.Builder{}
		l.text.Grow(min(max(l.textBytes, textLeast), textMost))
		l.textBytes += l.text.Cap()
	}
	from := l.text.Len()
	l.text.Write(name)
	return l.text.String()[from:]
}

func (l *nameList) size() uint64 {
	const perName, perSlot = 16, 8
	return uint64(cap(l.names)*perName + len(l.slots)*perSlot + l.textBytes)
}
