package dedupe

import (
	"cmp"
	"container/heap"

	"flowd/flow"
)

// keyWindow is the keys of all clients. They are remembered by age and by number. When there are as many as
// may be, a new one takes the place of the oldest of the client that has the most, which is its own if no
// other has more: so a client with fewer than an equal part loses none, however many others send, and one
// that is alone has all. (To push out from the longest queue is what keeps a shared buffer fair: S. Wei,
// E. Coyle and M. Hsiao, An Optimal Buffer Management Policy for High-Performance Packet Switching.)
type keyWindow struct {
	window uint64 // in milliseconds
	most   uint64

	clients map[string]*clientKeys
	// unknown has the keys of a file of version 1, which does not say whose they are: any client's.
	unknown *clientKeys
	// byCount and byAge have those with keys: the one that has the most first, and the one whose oldest is.
	byCount, byTime clientHeap
	total           uint64
	chunks          int

	byNumber, byAge uint64 // keys forgotten
}

// clientKeys is the keys of a client in the order in which they were noted. Entries are in chunks of memory
// without pointers, so the garbage collector has next to nothing to walk, and are never written
// again, so a snapshot is a copy of the pointers to the chunks.
type clientKeys struct {
	keyLog
	name string
	// index has the latest entry of each id.
	index map[id]uint64
	at    [heaps]int // in the heaps, while it has keys
}

// keyLog is entries numbered from 0 for ever; those from first to next are remembered, and the first chunk
// begins with the entry base.
type keyLog struct {
	chunks            []*keyChunk
	base, first, next uint64
}

// keyEntry is a key that was noted.
type keyEntry struct {
	id    id
	print uint64
	time  int64
}

const (
	chunkKeys = 128
	keySize   = 32 // unsafe.Sizeof(keyEntry{}), which a test holds
	// indexSize is about what a map takes for an id and a number, with its empty slots.
	indexSize = 40
	// clientSize is about what a client takes beside its keys.
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

// entry returns an entry that is remembered.
func (l *keyLog) entry(n uint64) *keyEntry {
	n -= l.base
	return &l.chunks[n/chunkKeys][n%chunkKeys]
}

func (l *keyLog) count() uint64 { return l.next - l.first }

// check is Windows.Check for a key of a client.
func (k *keyWindow) check(client string, id id, print uint64, now int64) (duplicate bool, err error) {
	if duplicate, err = k.known(client, id, print, now); duplicate || err != nil {
		return duplicate, err
	}
	k.makeRoom(k.clients[client], now)
	k.add(k.client(client), keyEntry{id, print, now})
	return false, nil
}

// known is Windows.Known for a key of a client.
func (k *keyWindow) known(client string, id id, print uint64, now int64) (duplicate bool, err error) {
	for _, of := range [...]*clientKeys{k.clients[client], k.unknown} {
		if of == nil {
			continue
		}
		n, known := of.index[id]
		if !known {
			continue
		}
		if e := of.entry(n); within(k.window, e.time, now) {
			if e.print != print {
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

// makeRoom forgets a key if there are as many as may be and c, which may be nil, gets another.
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

// add appends an entry, for which there is room, to those of c.
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

// forgetAtOnce bounds how many entries are forgotten at once. It is more than one, so that they
// leave faster than others come, and few, so that no batch waits for a day's keys to go.
const forgetAtOnce = 4

// forget drops the oldest entries if they are out of the window. It is called after each new
// batch alone: what is not forgotten yet is out of the window all the same.
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

// forgetFirst drops the oldest entry of c, and c with its last.
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

// bytes returns the memory of k, about.
func (k *keyWindow) bytes() uint64 {
	return uint64(k.chunks)*chunkKeys*keySize + k.total*indexSize + uint64(len(k.clients))*clientSize
}

// heapKind is what the clients of a clientHeap are ordered by.
type heapKind uint8

const (
	byCount heapKind = iota
	byTime
	heaps
)

// clientHeap is clients with keys, as a heap. Which one is first depends on nothing but their keys and names.
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

// Push is heap.Interface's.
func (h *clientHeap) Push(c any) {
	c.(*clientKeys).at[h.kind] = len(h.all)
	h.all = append(h.all, c.(*clientKeys))
}

// Pop is heap.Interface's.
func (h *clientHeap) Pop() any {
	last := len(h.all) - 1
	c := h.all[last]
	h.all[last] = nil
	h.all = h.all[:last]
	return c
}
