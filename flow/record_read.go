package flow

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"flowd/flow/swar"
)

// readName says where in the flows being read a name is.
type readName struct {
	at     uint32
	length uint16
}

// ReadFlows appends to b the flows that AppendFlows wrote, as Decode would have read them. It
// keeps no reference to flows. It returns nil or a *RecordError, after which b is as it was:
// every limit of this package is checked, and nothing may follow the last flow.
func (b *Batch) ReadFlows(flows []byte) error {
	s := b.working()
	r := recordReader{rest: flows, size: len(flows)}
	count, names := r.uvarint("number of flows"), r.uvarint("number of names")
	switch {
	case r.err != nil:
	case count > uint64(len(r.rest)/minRecordFlow):
		r.fail(fmt.Sprintf("has %d flows in %d bytes", count, len(r.rest)))
	case names > 3*count:
		r.fail(fmt.Sprintf("has %d names of %d flows", names, count))
	case uint64(len(flows)) > math.MaxUint32:
		r.fail(fmt.Sprintf("has %d bytes; at most %d can be read", len(flows), math.MaxUint32))
	}
	if r.err != nil {
		return r.err
	}
	p, err := s.readNames(flows, r.offset(), int(names))
	if err != nil {
		return err
	}
	b.Items = slices.Grow(b.Items, int(count))
	s.refs = slices.Grow(s.refs[:0], int(count))[:count]
	f := flowReader{
		names: s.read, refs: s.refs,
		items: b.Items[len(b.Items) : len(b.Items)+int(count)],
		keys:  b.Keys[:cap(b.Keys)], used: len(b.Keys),
	}
	if err := f.read(flows, p); err != nil {
		return err
	}
	b.Keys, b.Items = f.keys[:f.used], b.Items[:len(b.Items)+int(count)]
	return nil
}

// readNames notes the names at flows[p:], and returns where they end.
func (s *scratch) readNames(flows []byte, p, names int) (next int, err error) {
	s.read = s.read[:0]
	for range names {
		if p == len(flows) || len(flows)-p-1 <= int(flows[p]) {
			return p, &RecordError{len(flows), fmt.Sprintf("ends within name %d of %d", len(s.read), names)}
		}
		n := int(flows[p]) + 1
		p++
		if swar.Plain(flows[p:min(p+n+2*swar.WordSize, len(flows))]) < n {
			if wrong := CheckName(flows[p : p+n]); wrong != "" {
				return p, &RecordError{p, fmt.Sprintf("name %d %s", len(s.read), wrong)}
			}
		}
		s.read = append(s.read, readName{uint32(p), uint16(n)})
		p += n
	}
	return p, nil
}

// flowReader reads the flows behind the names, in two passes: their numbers, then their keys. In
// one there would be more at hand than the processor has registers.
type flowReader struct {
	names []readName
	items []Item // to be filled
	refs  []nameRefs
	done  int  // how many numbers of both are read
	hour  Hour // of the last of these

	keys []byte // at full capacity, of which used bytes are filled
	used int
}

const (
	// flowRoom is how many bytes are looked at for a flow: some of its words end behind it.
	flowRoom = maxRecordFlow + swar.WordSize
	// keyRoom is how many bytes are written for a key at most, with zeros and blocks that end behind it.
	keyRoom = KeyHeader + 3*MaxName + KeySlot
)

// read fills the items from flows[p:], to the end.
func (f *flowReader) read(flows []byte, p int) error {
	p, ok := f.numbers(flows, p)
	if ok && f.done < len(f.items) { // the last flows are read from a copy with zeros behind it
		var tail [2 * flowRoom]byte
		copy(tail[:], flows[p:])
		var n int
		n, ok = f.numbers(tail[:], 0)
		p += n
	}
	switch {
	case p > len(flows) || ok && f.done < len(f.items):
		return &RecordError{len(flows), fmt.Sprintf("ends within flow %d of %d", f.done, len(f.items))}
	case !ok:
		return &RecordError{p, fmt.Sprintf("flow %d has a name, an hour or a byte count that cannot be", f.done)}
	case p < len(flows):
		return &RecordError{p, fmt.Sprintf("%d bytes follow the last flow", len(flows)-p)}
	}
	return f.tuples(flows)
}

// numbers reads flows from in[p:] until there is no room for another, or one is wrong, which is
// not ok. It returns where it stopped.
func (f *flowReader) numbers(in []byte, p int) (next int, ok bool) {
	items, refs, names, hour := f.items, f.refs[:len(f.items)], uint64(len(f.names)), f.hour
	width := refWidth(len(f.names))
	shift, mask := 8*uint(width)&63, uint64(1)<<(8*uint(width))-1
	i := f.done
	for ; i < len(items) && p+flowRoom <= len(in); i++ {
		from := in[p : p+flowRoom]
		three := swar.Word(from, 1)
		src, dest, vpc := three&mask, three>>shift&mask, three>>(2*shift&63)&mask
		if width == 4 {
			vpc = uint64(binary.LittleEndian.Uint32(from[9:]))
		}
		lengths := from[0]
		class, txLen, rxLen := lengths>>hourBits, int(lengths&7)+1, int(lengths>>txBits&7)+1
		q := 1 + 3*width
		hour += Hour(unzigzag(binary.LittleEndian.Uint32(from[q:]) & hourMask[class]))
		q += int(hourBytes[class])
		tx := firstLanes(swar.Word(from, q), txLen)
		rx := firstLanes(swar.Word(from, q+txLen), rxLen)
		if max(src, dest, vpc) >= names || uint64(hour)>>31|(tx|rx)>>63 != 0 {
			f.done = i
			return p, false
		}
		item := &items[i]
		item.Totals = Totals{tx, rx}
		item.Hour = hour
		refs[i] = nameRefs{uint32(src), uint32(dest), uint32(vpc)}
		p += q + txLen + rxLen
	}
	f.done, f.hour = i, hour
	return p, true
}

// tuples writes the keys.
func (f *flowReader) tuples(flows []byte) error {
	f.reserve(len(f.items)*KeySlot + keyRoom)
	names := f.names
	// A name that begins later than this has less than a block of flows behind it.
	last := uint32(max(len(flows)-nameBlock, 0))
	for i := range f.refs {
		if f.used+keyRoom > len(f.keys) && !f.reserve(len(f.keys)) {
			return &RecordError{len(flows), "the keys of the flows take more than 4 GiB"}
		}
		src, dest, vpc := names[f.refs[i][SrcApp]], names[f.refs[i][DestApp]], names[f.refs[i][VPCID]]
		to := f.keys[f.used : f.used+keyRoom]
		to[0], to[1], to[2] = byte(src.length-1), byte(dest.length-1), byte(vpc.length-1)
		k := KeyHeader
		if max(src.length, dest.length, vpc.length) > nameBlock || max(src.at, dest.at, vpc.at) > last {
			k += copy(to[k:], flows[src.at:][:src.length])
			k += copy(to[k:], flows[dest.at:][:dest.length])
			k += copy(to[k:], flows[vpc.at:][:vpc.length])
		} else {
			*(*[nameBlock]byte)(to[k:]) = *(*[nameBlock]byte)(flows[src.at:])
			k += int(src.length)
			*(*[nameBlock]byte)(to[k:]) = *(*[nameBlock]byte)(flows[dest.at:])
			k += int(dest.length)
			*(*[nameBlock]byte)(to[k:]) = *(*[nameBlock]byte)(flows[vpc.at:])
			k += int(vpc.length)
		}
		*(*[KeySlot]byte)(to[k:]) = [KeySlot]byte{}
		f.items[i].KeyFrom, f.items[i].KeyLen = uint32(f.used), uint16(k)
		f.used += max(k, KeySlot)
	}
	return nil
}

// reserve makes room for n more bytes of keys, unless that is more than can be numbered.
func (f *flowReader) reserve(n int) bool {
	if f.used+n <= len(f.keys) {
		return true
	}
	keys := make([]byte, f.used+n)
	copy(keys, f.keys[:f.used])
	f.keys = keys
	return uint64(f.used)+keyRoom <= math.MaxUint32
}

// hourMask is the bytes of an hour's difference by its class.
var hourMask = [4]uint32{0, 0xff, 0xffff, 0xffff_ffff}

// firstLanes returns w without all but the lowest n lanes, of which there are 1 to 8.
func firstLanes(w uint64, n int) uint64 {
	others := uint(swar.WordSize-n) * 8 & 63
	return w << others >> others
}
