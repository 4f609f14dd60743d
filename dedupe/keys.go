package dedupe

import "flowd/flow"

// keyWindow is the keys in the order in which they were noted. Entries are in chunks of memory
// without pointers, so the garbage collector has next to nothing to walk, and are never written
// again, so a snapshot is a copy of the pointers to the chunks.
type keyWindow struct {
	window uint64 // in milliseconds
	most   uint64

	chunks []*keyChunk
	// Entries are numbered from 0 for ever; those from first to next are remembered, and the first
	// chunk begins with the entry base.
	base, first, next uint64
	// index has the latest entry of each id.
	index map[id]uint64

	byNumber, byAge uint64 // entries forgotten
}

// keyEntry is a key that was noted.
type keyEntry struct {
	id    id
	print uint64
	time  int64
}

const (
	chunkKeys = 1024
	keySize   = 32 // unsafe.Sizeof(keyEntry{}), which a test holds
	// indexSize is about what a map takes for an id and a number, with its empty slots.
	indexSize = 40
)

type keyChunk [chunkKeys]keyEntry

func newKeyWindow(window uint64, most int) keyWindow {
	return keyWindow{window: window, most: uint64(most), index: map[id]uint64{}}
}

// at returns an entry that is remembered.
func (k *keyWindow) at(n uint64) *keyEntry {
	n -= k.base
	return &k.chunks[n/chunkKeys][n%chunkKeys]
}

// check is Windows.Check for a key.
func (k *keyWindow) check(id id, print uint64, now int64) (duplicate bool, err error) {
	if duplicate, err = k.known(id, print, now); duplicate || err != nil {
		return duplicate, err
	}
	if k.next-k.first == k.most {
		k.forgetFirst(now)
	}
	k.add(keyEntry{id, print, now})
	return false, nil
}

// known is Windows.Known for a key.
func (k *keyWindow) known(id id, print uint64, now int64) (duplicate bool, err error) {
	n, known := k.index[id]
	if !known {
		return false, nil
	}
	switch e := k.at(n); {
	case !within(k.window, e.time, now):
		return false, nil
	case e.print != print:
		return false, flow.ErrReused
	}
	return true, nil
}

// add appends an entry, for which there is room.
func (k *keyWindow) add(e keyEntry) {
	n := k.next - k.base
	if n == uint64(len(k.chunks))*chunkKeys {
		k.chunks = append(k.chunks, new(keyChunk))
	}
	k.chunks[n/chunkKeys][n%chunkKeys] = e
	k.index[e.id] = k.next
	k.next++
}

// forgetAtOnce bounds how many entries are forgotten at once. It is more than one, so that they
// leave faster than others come, and few, so that no batch waits for a day's keys to go.
const forgetAtOnce = 4

// forget drops the oldest entries if they are out of the window. It is called after each new
// batch alone: what is not forgotten yet is out of the window all the same.
func (k *keyWindow) forget(now int64) {
	for range forgetAtOnce {
		if k.first == k.next || within(k.window, k.at(k.first).time, now) {
			return
		}
		k.forgetFirst(now)
	}
}

// forgetFirst drops the oldest entry.
func (k *keyWindow) forgetFirst(now int64) {
	e := k.at(k.first)
	if within(k.window, e.time, now) {
		k.byNumber++
	} else {
		k.byAge++
	}
	if k.index[e.id] == k.first {
		delete(k.index, e.id)
	}
	k.first++
	if k.first-k.base == chunkKeys {
		k.chunks[0] = nil
		k.chunks = k.chunks[1:]
		k.base = k.first
	}
}

// bytes returns the memory of k, about.
func (k *keyWindow) bytes() uint64 {
	return uint64(len(k.chunks))*chunkKeys*keySize + uint64(len(k.index))*indexSize
}
