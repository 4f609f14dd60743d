package dedupe

import (
	"cmp"
	"container/heap"

	"flowd/flow"
)

// keyWindow holds the keys of all clients. They are bounded by age and by number. At the maximum number, a
// new key evicts the oldest key of the client that has the most, which is its own client if no other has
// more. So a client with fewer keys than an equal share loses none, however many others send, and a single
// client may have all. (Pushing out from the longest queue keeps a shared buffer fair: S. Wei, E. Coyle and
// M. Hsiao, An Optimal Buffer Management Policy for High-Performance Packet Switching.)
type keyWindow struct {
	window uint64 // in milliseconds
	most   uint64

	clients map[string]*clientKeys
	// unknown has the keys of a file of version 1, which does not record their owners: they may be any
	// client's.
	unknown *clientKeys
	// byCount and byTime are heaps of the clients with keys: by the number of keys, the most first, and by
	// the time of the oldest key.
	byCount, byTime clientHeap
	total           uint64
	chunks          int

	byNumber, byAge uint64 // numbers of keys forgotten
}

// clientKeys holds the keys of a client in the order in which they were recorded. Entries are in chunks of
// memory without pointers, so the garbage collector has next to nothing to scan, and are never overwritten,
// so a snapshot copies only the pointers to the chunks.
type clientKeys struct {
	keyLog
	name string
	// index maps each id to its latest entry.
	index map[id]uint64
	at    [heaps]int // positions in the heaps, while it has keys
}

// keyLog is a log of entries, numbered from 0. The entries from first to next are remembered, and the first
// chunk begins with entry base.
type keyLog struct {
	chunks            []*keyChunk
	base, first, next uint64
}

// keyEntry is a recorded key.
type keyEntry struct {
	id          id
	fingerprint uint64
	time        int64
}

const (
	chunkKeys = 128
	keySize   = 32 // unsafe.Sizeof(keyEntry{}), which a test checks
	// indexSize is the approximate size of an id and a number in a map, with its empty slots.
	indexSize = 40
	// clientSize is the approximate memory of a client without its keys.
	clientSize = 256
)

type keyChunk [chunkKeys]keyEntry

func newKeyWindow(window uint64, most int) keyWindow {
	return keyWindow{
		window: window, most: uint64(most), clients: make(map[string]*clientKeys),
		byCount: clientHeap{kind: byCount}, byTime: clientHeap{kind: byTime}, unknown: newClientKeys(""),
	}
}

func newClientKeys(name string) *clientKeys {
	return &clientKeys{name: name, index: make(map[id]uint64)}
}

// entry returns a remembered entry.
func (l *keyLog) entry(n uint64) *keyEntry {
	n -= l.base
	return &l.chunks[n/chunkKeys][n%chunkKeys]
}

func (l *keyLog) count() uint64 { return l.next - l.first }

// check implements Windows.Check for a key of a client.
func (k *keyWindow) check(client string, id id, fingerprint uint64, now int64) (duplicate bool, err error) {
	if duplicate, err = k.known(client, id, fingerprint, now); duplicate || err != nil {
		return duplicate, err
	}
	k.makeRoom(k.clients[client], now)
	k.add(k.client(client), keyEntry{id, fingerprint, now})
	return false, nil
}

// known implements Windows.Known for a key of a client.
func (k *keyWindow) known(client string, id id, fingerprint uint64, now int64) (duplicate bool, err error) {
	for _, of := range [...]*clientKeys{k.clients[client], k.unknown} {
		if of == nil {
			continue
		}
		n, known := of.index[id]
		if !known {
			continue
		}
		if e := of.entry(n); within(k.window, e.time, now) {
			if e.fingerprint != fingerprint {
				return false, flow.ErrReused
			}
			return true, nil
		}
	}
	return false, nil
}

// client returns the keys of a client.
func (k *keyWindow) client(name string) *clientKeys {
	c := k.clients[name]
	if c == nil {
		c = newClientKeys(name)
		k.clients[name] = c
	}
	return c
}

// makeRoom evicts a key if the number of keys is at its maximum and c, which may be nil, gets another one.
func (k *keyWindow) makeRoom(c *clientKeys, now int64) {
	if k.total < k.most {
		return
	}
	victim := k.byCount.all[0]
	if c != nil && c.count() >= victim.count() {
		victim = c
	}
	k.forgetFirst(victim, now)
}

// add appends an entry to those of c. There must be room for it.
func (k *keyWindow) add(c *clientKeys, e keyEntry) {
	n := c.next - c.base
	if n == uint64(len(c.chunks))*chunkKeys {
		c.chunks = append(c.chunks, new(keyChunk))
		k.chunks++
	}
	c.chunks[n/chunkKeys][n%chunkKeys] = e
	c.index[e.id] = c.next
	c.next++
	k.total++
	if c.count() == 1 {
		heap.Push(&k.byCount, c)
		heap.Push(&k.byTime, c)
		return
	}
	heap.Fix(&k.byCount, c.at[byCount])
}

// forgetAtOnce is the most entries that are forgotten at once. It is more than one, so that entries leave
// faster than others come, and few, so that no batch waits for a day's keys to be forgotten.
const forgetAtOnce = 4

// forget drops the oldest entries if they are outside the window. It is called only after a new batch:
// entries that are not yet dropped are outside the window all the same.
func (k *keyWindow) forget(now int64) {
	for range forgetAtOnce {
		if len(k.byTime.all) == 0 {
			return
		}
		c := k.byTime.all[0]
		if within(k.window, c.entry(c.first).time, now) {
			return
		}
		k.forgetFirst(c, now)
	}
}

// forgetFirst drops the oldest entry of c, and c itself with its last entry.
func (k *keyWindow) forgetFirst(c *clientKeys, now int64) {
	e := c.entry(c.first)
	if within(k.window, e.time, now) {
		k.byNumber++
	} else {
		k.byAge++
	}
	if c.index[e.id] == c.first {
		delete(c.index, e.id)
	}
	c.first++
	k.total--
	if c.count() == 0 {
		k.chunks -= len(c.chunks)
		heap.Remove(&k.byCount, c.at[byCount])
		heap.Remove(&k.byTime, c.at[byTime])
		c.keyLog = keyLog{}
		if c != k.unknown {
			delete(k.clients, c.name)
		}
		return
	}
	if c.first-c.base == chunkKeys {
		c.chunks[0] = nil
		c.chunks = c.chunks[1:]
		c.base = c.first
		k.chunks--
	}
	heap.Fix(&k.byCount, c.at[byCount])
	heap.Fix(&k.byTime, c.at[byTime])
}

// bytes returns the approximate memory of k.
func (k *keyWindow) bytes() uint64 {
	return uint64(k.chunks)*chunkKeys*keySize + k.total*indexSize + uint64(len(k.clients))*clientSize
}

// heapKind is the order of a clientHeap.
type heapKind uint8

const (
	byCount heapKind = iota
	byTime
	heaps
)

// clientHeap is a heap of clients with keys. Its first element depends only on their keys and names.
type clientHeap struct {
	kind heapKind
	all  []*clientKeys
}

func (h *clientHeap) Len() int { return len(h.all) }

func (h *clientHeap) Less(i, j int) bool {
	a, b := h.all[i], h.all[j]
	first := cmp.Compare(b.count(), a.count())
	if h.kind == byTime {
		first = cmp.Compare(a.entry(a.first).time, b.entry(b.first).time)
	}
	return cmp.Or(first, cmp.Compare(a.name, b.name)) < 0
}

func (h *clientHeap) Swap(i, j int) {
	h.all[i], h.all[j] = h.all[j], h.all[i]
	h.all[i].at[h.kind], h.all[j].at[h.kind] = i, j
}

// Push implements heap.Interface.
func (h *clientHeap) Push(c any) {
	c.(*clientKeys).at[h.kind] = len(h.all)
	h.all = append(h.all, c.(*clientKeys))
}

// Pop implements heap.Interface.
func (h *clientHeap) Pop() any {
	last := len(h.all) - 1
	c := h.all[last]
	h.all[last] = nil
	h.all = h.all[:last]
	return c
}
