package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// TestCheckAgreesWithTheServer holds that checkFlow accepts exactly the flows that the server accepts.
func TestCheckAgreesWithTheServer(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9-]{1,20}`), rapid.String(), rapid.StringN(0, 300, 400),
		rapid.SampledFrom([]string{"", "\x00", "a\x7fb", "a\u0085", "\xff", "é", `"\`, strings.Repeat("x", 256), strings.Repeat("x", 257)}),
	)
	number := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1<<63 - 1, 1 << 63}))
	rapid.Check(t, func(t *rapid.T) {
		f := flow.Flow{
			SrcApp: name.Draw(t, "src"), DestApp: name.Draw(t, "dest"), VPCID: name.Draw(t, "vpc"),
			BytesTx: number.Draw(t, "tx"), BytesRx: number.Draw(t, "rx"),
			Hour: flow.Hour(rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, 1<<31 - 1, 1 << 31})).Draw(t, "hour")),
		}
		err := checkFlow(&f)
		var typed *FlowError
		if err != nil && (!errors.As(err, &typed) || typed.Field == "" || typed.Reason == "") {
			t.Fatalf("%#v", err)
		}
		if len(f.SrcApp) == 0 || len(f.DestApp) == 0 || len(f.VPCID) == 0 || len(f.SrcApp)+len(f.DestApp)+len(f.VPCID) > 3*flow.MaxName {
			return // openBatch cannot encode it
		}
		if err == nil {
			var b openBatch
			b.add(&f)
			var batch flow.Batch
			if err := flowjson.Decode(&batch, b.closeArray(), flowjson.JSON, 1); err != nil {
				t.Fatalf("%+v passed, but: %v", f, err)
			}
			if len(b.body) > maxFlow {
				t.Fatalf("a flow has %d bytes, more than %d", len(b.body), maxFlow)
			}
			return
		}
		text := fmt.Sprintf(`[{"src_app":%s,"dest_app":%s,"vpc_id":%s,"bytes_tx":%d,"bytes_rx":%d,"hour":%d}]`,
			quoted(f.SrcApp), quoted(f.DestApp), quoted(f.VPCID), f.BytesTx, f.BytesRx, f.Hour)
		var batch flow.Batch
		if flowjson.Decode(&batch, []byte(text), flowjson.JSON, 1) == nil {
			t.Fatalf("%+v was refused (%v), but the server accepts it", f, err)
		}
	})
}

// quoted writes a name as a JSON string without correcting it.
func quoted(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

// TestLongestFlow holds that maxFlow is the size of the longest flow.
func TestLongestFlow(t *testing.T) {
	longName := strings.Repeat(`"`, flow.MaxName)
	f := flow.Flow{SrcApp: longName, DestApp: longName, VPCID: longName, BytesTx: flow.MaxBytes, BytesRx: flow.MaxBytes, Hour: flow.MaxHour}
	var b openBatch
	b.add(&f)
	if n := len(b.closeArray()); n != maxFlow {
		t.Errorf("the longest flow has %d bytes, want %d", n, maxFlow)
	}
}

func TestBatches(t *testing.T) {
	longName := strings.Repeat("x", flow.MaxName)
	for _, test := range []struct {
		name   string
		change func(*Options)
		flow   flow.Flow
		flows  int
		want   []int // flows of each batch
	}{
		{"by count", nil, namedFlow("a"), 25, []int{10, 10, 5}},
		{"one by one", func(o *Options) { o.BatchFlows = 1 }, namedFlow("a"), 3, []int{1, 1, 1}},
		{"by bytes", func(o *Options) { o.BatchBytes = MinBatchBytes },
			flow.Flow{SrcApp: longName, DestApp: longName, VPCID: longName, BytesTx: 1, Hour: 1}, 7, []int{3, 3, 1}},
		{"gzip", func(o *Options) { o.Encoding = Gzip }, namedFlow("a"), 25, []int{10, 10, 5}},
		{"zstd", func(o *Options) { o.Encoding = Zstandard }, namedFlow("a"), 25, []int{10, 10, 5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newMemoryServer()
			o := s.options()
			if test.change != nil {
				test.change(&o)
			}
			c := open(t, o)
			flows := make([]flow.Flow, test.flows)
			for i := range flows {
				flows[i] = test.flow
			}
			if n, err := c.AddAll(flows); n != test.flows || err != nil {
				t.Errorf("AddAll: %d, %v", n, err)
			}
			mustClose(t, c)
			var got []int
			for _, post := range s.received() {
				got = append(got, post.flows)
				if post.header.Get("Content-Encoding") != string(o.Encoding) || post.bytes > o.BatchBytes {
					t.Errorf("%d bytes with %v", post.bytes, post.header)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("flows of each batch (-want +got):\n%s", diff)
			}
			if n := s.counted(t)[test.flow.SrcApp]; n != uint64(test.flows) {
				t.Errorf("the server counted %d flows, want %d", n, test.flows)
			}
			checkBalance(t, c)
		})
	}
}

// TestBatchAge holds that a batch that does not fill is sent when its first flow is old enough, and not
// before.
func TestBatchAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryServer()
		c := open(t, s.options())
		begin := time.Now()
		add(t, c, "first", 1)
		time.Sleep(time.Minute)
		if first := s.received()[0].at.Sub(begin); first <= 0 || first > 10*time.Second {
			t.Errorf("the first batch came after %v", first)
		}
		add(t, c, "a", 1)
		time.Sleep(4 * time.Second)
		add(t, c, "b", 1)
		time.Sleep(time.Minute)
		add(t, c, "c", 10) // full
		add(t, c, "d", 1)
		time.Sleep(time.Minute)
		var got []string
		for _, post := range s.received()[1:] {
			got = append(got, fmt.Sprintf("%d flows after %v", post.flows, post.at.Sub(begin)))
		}
		want := []string{"2 flows after 1m10s", "10 flows after 2m4s", "1 flows after 2m14s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		mustClose(t, c)
	})
}

// TestBadFlows holds that a flow that no server accepts does not affect the others.
func TestBadFlows(t *testing.T) {
	s := newMemoryServer()
	c := open(t, s.options())
	bad := namedFlow("")
	err := c.Add(&bad)
	if want := "client: src_app is 0 bytes long; 1 to 256 are required"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	flows := []flow.Flow{namedFlow("a0"), namedFlow("a1"), {SrcApp: "a", DestApp: "b", VPCID: "c", BytesRx: 1 << 63}, namedFlow("a2")}
	n, err := c.AddAll(flows)
	if want := "client: bytes_rx is 9223372036854775808; 0 to 9223372036854775807 are required"; n != 2 || err == nil || err.Error() != want {
		t.Errorf("%d, %v, want 2, %s", n, err, want)
	}
	if n, err := c.AddAll(flows[3:]); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	mustClose(t, c)
	if diff := cmp.Diff(onceEach("a", 3), s.counted(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNotOpen(t *testing.T) {
	s := newMemoryServer()
	c, err := New(s.options())
	if err != nil {
		t.Fatal(err)
	}
	f := namedFlow("a")
	if err := c.Add(&f); !errors.Is(err, ErrClosed) {
		t.Errorf("Add before Open: %v", err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("Flush of nothing: %v", err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err == nil {
		t.Error("opened twice")
	}
	if err := c.Save(); !errors.Is(err, ErrNoFolder) {
		t.Errorf("Save without a folder: %v", err)
	}
	add(t, c, "a", 1)
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	mustClose(t, c)
	mustClose(t, c)
	if n, err := c.AddAll([]flow.Flow{f}); n != 0 || !errors.Is(err, ErrClosed) {
		t.Errorf("AddAll after Close: %d, %v", n, err)
	}
	if err := c.Open(); err == nil {
		t.Error("opened after Close")
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no URL", func(o *Options) { o.URL = "" }, "URL must look like"},
		{"an invalid URL", func(o *Options) { o.URL = "http://user:secret@[" }, "client: URL is not valid"},
		{"another scheme", func(o *Options) { o.URL = "ftp://host" }, "URL must look like"},
		{"a user", func(o *Options) { o.URL = "http://user:secret@host" }, "no user"},
		{"a query", func(o *Options) { o.URL = "http://host/?a=b" }, "no query"},
		{"an agent with a space", func(o *Options) { o.Agent = "web 1" }, "Agent must be 1 to 50"},
		{"a long agent", func(o *Options) { o.Agent = strings.Repeat("x", MaxAgent+1) }, "Agent must be 1 to 50"},
		{"no connections", func(o *Options) { o.Connections = 0 }, "Connections must be 1 to 64"},
		{"too many connections", func(o *Options) { o.Connections = 65 }, "Connections must be 1 to 64"},
		{"no time", func(o *Options) { o.Timeout = 0 }, "Timeout must be over 0"},
		{"no backoff", func(o *Options) { o.MaxBackoff = time.Millisecond }, "MaxBackoff must be at least 1s"},
		{"no logger", func(o *Options) { o.Logger = nil }, "Logger"},
		{"no file system", func(o *Options) { o.Dir, o.FS = "x", nil }, "FS must not be nil"},
		{"a small spool", func(o *Options) { o.SpoolBytes = 1 }, "SpoolBytes must be at least BatchBytes"},
		{"no such policy", func(o *Options) { o.WhenFull = 9 }, "WhenFull must be"},
		{"a negative limit", func(o *Options) { o.RefusedBytes = -1 }, "RefusedBytes must be"},
		{"no flows", func(o *Options) { o.BatchFlows = 0 }, "BatchFlows must be 1 to 50000"},
		{"too many flows", func(o *Options) { o.BatchFlows = 50001 }, "BatchFlows must be 1 to 50000"},
		{"no bytes", func(o *Options) { o.BatchBytes = 4095 }, "BatchBytes must be 4096 to"},
		{"no age", func(o *Options) { o.BatchAge = 0 }, "BatchAge must be over 0"},
		{"an unknown encoding", func(o *Options) { o.Encoding = "br" }, "Encoding must be"},
	} {
		o := DefaultOptions()
		o.URL = "http://127.0.0.1:1"
		test.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestHostAgent holds that the host's name becomes a valid agent's name.
func TestHostAgent(t *testing.T) {
	if name := hostAgent(); name == "" || !isVisibleASCII(name) || len(name) > MaxAgent {
		t.Errorf("%q", name)
	}
}

// TestAddAtOnce adds flows from many goroutines, and holds that each flow counts once.
func TestAddAtOnce(t *testing.T) {
	s := newMemoryServer()
	o := s.options()
	o.Connections, o.BatchFlows = 8, 7
	c := open(t, o)
	const adders, each = 8, 500
	done := make(chan error, adders)
	for a := range adders {
		go func() {
			for i := range each {
				f := namedFlow("a" + strconv.Itoa(a*each+i))
				if err := c.Add(&f); err != nil {
					done <- err
					return
				}
			}
			done <- c.Flush(t.Context())
		}()
	}
	for range adders {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if stats := checkBalance(t, c); stats.Stored.Flows != adders*each {
		t.Errorf("%+v", stats)
	}
	mustClose(t, c)
	if diff := cmp.Diff(onceEach("a", adders*each), s.counted(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkAdd adds a million flows, and sends them to a server that reads and discards them.
func BenchmarkAdd(b *testing.B) {
	flows := make([]flow.Flow, 1_000_000)
	for i := range flows {
		flows[i] = flow.Flow{
			SrcApp: "app-" + strconv.Itoa(i%1000), DestApp: "app-" + strconv.Itoa(i%777), VPCID: "vpc-" + strconv.Itoa(i%10),
			BytesTx: uint64(i), BytesRx: uint64(2 * i), Hour: 482_664,
		}
	}
	for _, form := range []struct {
		name   string
		change func(*testing.B, *Options)
	}{
		{"memory", func(*testing.B, *Options) {}},
		{"memory,zstd", func(_ *testing.B, o *Options) { o.Encoding = Zstandard }},
		{"memory,gzip", func(_ *testing.B, o *Options) { o.Encoding = Gzip }},
		{"folder,zstd", func(b *testing.B, o *Options) { o.Encoding, o.Dir = Zstandard, b.TempDir() }},
		{"folder,zstd,nosync", func(b *testing.B, o *Options) { o.Encoding, o.Dir, o.NoSync = Zstandard, b.TempDir(), true }},
	} {
		b.Run(form.name, func(b *testing.B) {
			o := DefaultOptions()
			o.URL, o.WhenFull = "http://flowd.test", Wait
			o.HTTP = &http.Client{Transport: discard{}}
			form.change(b, &o)
			b.ReportAllocs()
			for b.Loop() {
				c := open(b, o)
				if n, err := c.AddAll(flows); n != len(flows) || err != nil {
					b.Fatal(n, err)
				}
				mustClose(b, c)
				if stored := c.Stats().Stored.Flows; stored != uint64(len(flows)) {
					b.Fatalf("%d flows were stored", stored)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(flows)), "ns/flow")
		})
	}
}

// discard is a server that accepts anything; batches have 1000 flows.
type discard struct{}

func (discard) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return textAnswer(200, `{"accepted":1000,"duplicate":false}`), r.Body.Close()
}
