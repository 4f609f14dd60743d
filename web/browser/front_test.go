package browser

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/access"
)

// front stands before a server as a proxy does. It sees all that comes, and may answer itself.
type front struct {
	mu      sync.Mutex
	seen    []sight
	instead func(w http.ResponseWriter, r *http.Request) (answered bool)
}

// sight is what is seen of a request.
type sight struct {
	at            time.Time
	target        string
	authorization string
	all           string // the request line and all headers but Authorization
}

// behind puts a front before s, so that tabs see the server through it.
func (s *server) behind() *front {
	s.t.Helper()
	server := &url.URL{Scheme: "http", Host: s.address}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(server) },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0), // of requests that the page gives up
	}
	f := &front{}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.see(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	s.front = listener.URL
	s.t.Cleanup(func() {
		listener.CloseClientConnections()
		listener.Close()
		transport.CloseIdleConnections()
	})
	return f
}

func (f *front) see(w http.ResponseWriter, r *http.Request) (answered bool) {
	rest := r.Header.Clone()
	rest.Del("Authorization")
	var all strings.Builder
	all.WriteString(r.Method + " " + r.RequestURI + "\n")
	_ = rest.Write(&all) // a Builder takes all
	f.mu.Lock()
	f.seen = append(f.seen, sight{time.Now(), r.RequestURI, r.Header.Get("Authorization"), all.String()})
	instead := f.instead
	f.mu.Unlock()
	return instead != nil && instead(w, r)
}

// answer has the front answer those requests that instead answers.
func (f *front) answer(instead func(w http.ResponseWriter, r *http.Request) (answered bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = instead
}

// of returns what was seen of requests whose targets begin with this.
func (f *front) of(target string) (of []sight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, seen := range f.seen {
		if strings.HasPrefix(seen.target, target) {
			of = append(of, seen)
		}
	}
	return of
}

// want has the server want a token from now on, and take those that it returns: one for each right. What
// the test itself posts and reads it may from then on by a token of its own.
func (s *server) want(rights ...access.Grant) (tokens []string) {
	s.t.Helper()
	rights = append(slices.Clone(rights), access.Grant{Name: "test", Scopes: access.Ingest | access.Query | access.Metrics})
	text := []byte("tokens:\n")
	for i := range rights {
		token := access.NewToken()
		entry, err := access.Entry(token, &rights[i], "  ")
		if err != nil {
			s.t.Fatal(err)
		}
		text, tokens = append(text, entry...), append(tokens, token)
	}
	list, err := access.Parse("tokens.yaml", text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.gate.Replace(list)
	s.token = tokens[len(tokens)-1]
	return tokens[:len(tokens)-1]
}

// viewer is who may see all that the page shows.
var viewer = access.Grant{Name: "viewer", Scopes: access.Query | access.Metrics}

// startGuarded starts a server that has threeHours and wants a token: the one that it returns.
func startGuarded(t *testing.T) (s *server, token string) {
	t.Helper()
	s = start(t, needPage(t))
	s.post(threeHours()...)
	return s, s.want(viewer)[0]
}

// refused401 is what the browser logs of a request without a token, or with a wrong one.
const refused401 = "status of 401"

// enter puts a token into the form, and sends it off by keys.
func (b *tab) enter(token string) {
	b.t.Helper()
	b.until(`document.activeElement === testing.part("token-field")`)
	b.insert(token)
	b.press("\r")
	if left := value[string](b, `testing.part("token-field")?.value ?? ""`); left != "" {
		b.t.Error("the field still has what was entered")
	}
}
