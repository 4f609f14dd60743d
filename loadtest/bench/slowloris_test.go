package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// lookedAt is what a server saw of its connections.
type lookedAt struct {
	mu           sync.Mutex
	open, opened int
	texts        map[int]string
}

func (l *lookedAt) serve(ln net.Listener) {
	for id := 0; ; id++ {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		l.note(func() { l.open++; l.opened++ })
		go func() {
			defer l.note(func() { l.open-- })
			defer nc.Close()
			var text [64 << 10]byte
			for {
				n, err := nc.Read(text[:])
				l.note(func() { l.texts[id] += string(text[:n]) })
				if err != nil {
					return
				}
			}
		}()
	}
}

func (l *lookedAt) note(what func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what()
}

func (l *lookedAt) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.Tick(time.Millisecond); ; <-tick {
		done := false
		l.note(func() { done = holds() })
		switch {
		case done:
			return
		case time.Now().After(deadline):
			t.Fatalf("%s: not within 20 seconds; %d of %d open", what, l.open, l.opened)
		}
	}
}

// Slow clients are as many as they should be, go on byte by byte, make way for others, and go.
func TestSlowClients(t *testing.T) {
	const clients = 300
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	seen := &lookedAt{texts: map[int]string{}}
	go seen.serve(ln)
	slow, err := openSlow(ln.Addr().String(), clients)
	if err != nil {
		t.Fatal(err)
	}
	seen.await(t, "all are there, and some were replaced", func() bool {
		return seen.open >= clients-1 && seen.opened >= clients+clients/20
	})
	seen.await(t, "all but the silent go on", func() bool {
		more, begun := 0, map[string]int{}
		for _, text := range seen.texts {
			head := strings.TrimRight(text, slowByte)
			begun[head]++
			if len(text) > len(head)+1 {
				more++
			}
		}
		return more > clients/2 && len(begun) == len(slowHeads)
	})
	if err := slow.close(); err != nil {
		t.Error(err)
	}
	seen.await(t, "all are gone", func() bool { return seen.open == 0 })
}

// What slow clients send is the beginning of requests that a server would take.
func TestSlowRequests(t *testing.T) {
	for _, rest := range []string{"x\r\nContent-Length: 0\r\n\r\n", "]" + strings.Repeat(" ", 1_000_000-5)} {
		head := slowHeads[1]
		if strings.HasPrefix(rest, "]") {
			head = slowHeads[2]
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + strings.Repeat(slowByte, 3) + rest)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.URL.Path != "/flows" || len(body) > 0 && len(body) != 1_000_000 {
			t.Errorf("%s %s with %d bytes, %v", r.Method, r.URL, len(body), err)
		}
	}
}

func TestSlowClientsWithoutServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if slow, err := openSlow(ln.Addr().String(), 3); err == nil {
		t.Error("no error", slow.close())
	}
}
