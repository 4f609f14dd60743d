// Package admin serves what is for operators alone: reloads, profiles, metrics and health.
package admin

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/conn"
	"flowd/httpapi/format"
	"flowd/httpapi/reject"
	"flowd/logs"
)

// What clients of the admin server can make it hold or wait for.
const (
	mostConnections = 64
	headerBytes     = 16 << 10
	headerTime      = 10 * time.Second
	// answerTime is how long an answer may take, but a profile's: that takes as long as is asked
	// for, by a client with the scope.
	answerTime = 30 * time.Second
	idleTime   = 2 * time.Minute
)

// API is what an Admin needs of the server whose tokens, metrics and health it serves.
type API interface {
	// RightTo returns the right that a claim has, or why it does not reach these scopes.
	RightTo(needs access.Scopes, claim access.Credential) (*access.Grant, *reject.Problem)
	// Rejected counts a rejected request.
	Rejected(p *reject.Problem)
	// Panicked counts and logs a panic of the goroutine that calls it, in a deferred function. Target is that of
	// the request.
	Panicked(cause any, target []byte)
	// Unready returns why the engine takes no changes now, or nil.
	Unready() *reject.Problem
	// Lines bounds the lines of the log.
	Lines() *logs.Limiter
	// Live, Ready and Exposition answer as the server does at these paths.
	Live(ctx *fasthttp.RequestCtx)
	Ready(ctx *fasthttp.RequestCtx)
	Exposition(ctx *fasthttp.RequestCtx)
}

// Options are what an Admin is made of. All but Hosts and TLS are required.
type Options struct {
	// API is the one whose tokens, metrics and health these are.
	API API
	// Reload takes the settings as their sources have them now. It is called by one request at a time.
	// An error says what is wrong with them, to an operator, and then nothing has changed; as a
	// *ReloadError it says so place by place.
	Reload func() (Reloaded, error)
	// AcceptClock has expiry go by the machine's clock, as an operator takes it to be right. It may be
	// called by many at once.
	AcceptClock func() (AcceptedClock, error)
	// Hosts are names, beside localhost, that the server is called by.
	Hosts []string
	// TLS secures the connections; nil leaves them in clear.
	TLS *conn.TLS
}

// Reloaded is what a reload changed, and what it could not change while the server runs.
type Reloaded struct {
	Changed []Change `json:"changed"`
	Restart []Change `json:"restart"`
}

// Change is a setting that has another value now than before.
type Change struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// ReloadError is settings that cannot be used: Pointer is a place such as "flowd.yaml:7".
type ReloadError struct{ Problems []flow.FieldError }

// Error lists the problems, one a line.
func (e *ReloadError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.Pointer+": "+p.Detail)
	}
	return strings.Join(lines, "\n")
}

// Server serves what is for operators alone: reloads, profiles, metrics and health.
type Server struct {
	api    API
	change func() (Reloaded, error)
	accept func() (AcceptedClock, error)
	hosts  []string
	tls    *conn.TLS
	http   http.Server
	paths  map[string]route
	turn   chan struct{}      // held by the reload that is under way
	stop   context.CancelFunc // ends what is waited for
}

// route is what there is at a path.
type route struct {
	methods []string
	needs   access.Scopes
	handle  http.HandlerFunc
	long    bool // it takes as long as is asked for
}

// New returns a server that serves nothing yet.
func New(o Options) *Server {
	ctx, stop := context.WithCancel(context.Background())
	a := &Server{api: o.API, change: o.Reload, accept: o.AcceptClock, hosts: o.Hosts, tls: o.TLS, turn: make(chan struct{}, 1), stop: stop}
	a.http = http.Server{
		Handler:                      a,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headerBytes,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ErrorLog:                     log.New(o.API.Lines().Writer(slog.LevelDebug, "said by the admin listener's HTTP library"), "", 0),
	}
	a.paths = a.routes()
	return a
}

// apiPrefix is where the API, and so every path here, is a second time.
const apiPrefix = "/api/v1"

// pprofPath is where profiles are. pprof's own handlers know it.
const pprofPath = "/debug/pprof/"

func (a *Server) routes() map[string]route {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	live := route{methods: get, handle: a.through(a.api.Live)}
	ready := route{methods: get, handle: a.through(a.api.Ready)}
	profile := func(handle http.HandlerFunc) route {
		return route{methods: get, needs: access.Admin, handle: handle, long: true}
	}
	return map[string]route{
		"/-/reload":       {methods: post, needs: access.Admin, handle: a.reload},
		"/-/accept-clock": {methods: post, needs: access.Admin, handle: a.acceptClock, long: true},
		"/metrics":        {methods: get, needs: access.Metrics, handle: a.through(a.api.Exposition)},
		"/livez":          live, "/health": live, "/-/healthy": live,
		"/readyz": ready, "/-/ready": ready,
		// Without pprof's cmdline: arguments may hold what not every operator with this right should see.
		pprofPath:                  profile(pprof.Index),
		pprofPath + "profile":      profile(pprof.Profile),
		pprofPath + "trace":        profile(pprof.Trace),
		pprofPath + "symbol":       {methods: append(post, get...), needs: access.Admin, handle: pprof.Symbol},
		pprofPath + "allocs":       profile(pprof.Index),
		pprofPath + "block":        profile(pprof.Index),
		pprofPath + "goroutine":    profile(pprof.Index),
		pprofPath + "heap":         profile(pprof.Index),
		pprofPath + "mutex":        profile(pprof.Index),
		pprofPath + "threadcreate": profile(pprof.Index),
	}
}

// Serve serves the connections of ln, which it closes. It returns nil when Shutdown is called, which
// may still be waiting for requests then.
func (a *Server) Serve(ln net.Listener) error {
	ln = &fewListener{Listener: ln, free: make(chan struct{}, mostConnections), tls: a.tls}
	if err := a.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting connections, ends profiles that are being made, and returns when the
// requests under way are answered. If ctx ends before, it cuts them off and returns ctx's error.
func (a *Server) Shutdown(ctx context.Context) error {
	a.stop()
	err := a.http.Shutdown(ctx)
	if err != nil {
		_ = a.http.Close() // the error above is the one to tell
	}
	return err
}

// ServeHTTP answers a request.
func (a *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recovered(w, r)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 {
		// No route here reads a body. It is dropped behind the answer, for this long.
		a.within(http.NewResponseController(w).SetReadDeadline)
	}
	to, p := a.find(r)
	if p == nil && !to.long {
		a.within(http.NewResponseController(w).SetWriteDeadline)
	}
	if p != nil {
		a.reject(w, r, p)
		return
	}
	to.handle(w, r)
}

// within gives what is under way its time. An error says that the connection is closed.
func (a *Server) within(set func(time.Time) error) { _ = set(time.Now().Add(answerTime)) }

// find returns where r goes to, or why it goes nowhere.
func (a *Server) find(r *http.Request) (route, *reject.Problem) {
	if r.ProtoMajor != 1 || r.ProtoMinor > 1 {
		return route{}, conn.WrongVersion()
	}
	if p := a.crossSite(r); p != nil {
		return route{}, p
	}
	if path, ok := strings.CutPrefix(r.URL.Path, apiPrefix); ok {
		r.URL.Path = path // pprof looks at it, too
	}
	to, ok := a.paths[r.URL.Path]
	switch {
	case !ok:
		return to, &reject.Problem{
			Status: http.StatusNotFound, Reason: reject.UnknownPath,
			Detail: "There is nothing at this path of the admin listener; POST /-/reload reloads the settings, POST /-/accept-clock accepts the clock, profiles are at " +
				pprofPath + ", and flows at the other listener.",
		}
	case !slices.Contains(to.methods, r.Method):
		return to, &reject.Problem{
			Status: http.StatusMethodNotAllowed, Reason: reject.Method, Header: "Allow", Value: strings.Join(to.methods, ", "),
			Detail: "This path does not take this method; the header Allow has those that it takes.",
		}
	case to.needs == 0:
		return to, nil
	}
	addr, _ := netip.ParseAddrPort(r.RemoteAddr) // it is invalid on a Unix socket, where all are one address
	_, p := a.api.RightTo(to.needs, access.Credential{
		Addr:          addr.Addr().Unmap(),
		Authorization: []byte(strings.Join(r.Header.Values("Authorization"), ",")),
		Certificate:   a.certificate(r),
		Now:           time.Now(),
	})
	return to, p
}

// reload answers what a reload changed.
func (a *Server) reload(w http.ResponseWriter, r *http.Request) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-r.Context().Done():
		a.reject(w, r, reject.Overloaded(reject.NotReady, "The server is about to stop, so nothing is reloaded any more."))
		return
	}
	found, err := a.change()
	if err != nil {
		a.reject(w, r, reloadProblem(err))
		return
	}
	// No changes are [] rather than null.
	text, err := json.Marshal(Reloaded{append([]Change{}, found.Changed...), append([]Change{}, found.Restart...)})
	if err != nil {
		panic("strings encode as JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", format.JSONType)
	_, _ = w.Write(text) // the client may be gone
}

// reloadProblem makes a problem of an error of a reload. It is for an operator, so it has the whole text of the error.
func reloadProblem(err error) *reject.Problem {
	p := &reject.Problem{
		Status: http.StatusBadRequest, Reason: reject.Parameter, Word: "bad-settings", Cause: err,
		Detail: "The settings cannot be used, so those of before stay.",
	}
	var bad *ReloadError
	if errors.As(err, &bad) {
		p.Fields = bad.Problems
	} else {
		p.Detail += " " + err.Error()
	}
	return p
}

// through answers by a handler of the API.
func (a *Server) through(handle fasthttp.RequestHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ctx fasthttp.RequestCtx
		ctx.Init(&fasthttp.Request{}, nil, nil)
		handle(&ctx)
		for name, value := range ctx.Response.Header.All() {
			if string(name) != fasthttp.HeaderContentLength {
				w.Header().Set(string(name), string(value))
			}
		}
		w.WriteHeader(ctx.Response.StatusCode())
		_, _ = w.Write(ctx.Response.Body()) // the client may be gone
	}
}

// reject answers r with p, counts it and logs it.
func (a *Server) reject(w http.ResponseWriter, r *http.Request, p *reject.Problem) {
	a.api.Rejected(p)
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	kind := logs.Kind{
		Message: "refused an admin request", Status: p.Status, Reason: p.Name(),
		Client: conn.AddressText(net.TCPAddrFromAddrPort(remote)),
	}
	a.api.Lines().Log(slog.LevelWarn, kind, func() []slog.Attr {
		return []slog.Attr{logs.Text("method", r.Method), logs.Text("path", r.URL.Path), logs.Text("remote", r.RemoteAddr)}
	})
	if p.Header != "" {
		w.Header().Set(p.Header, p.Value)
	}
	w.Header().Set("Content-Type", reject.ContentType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Append(nil)) // the client may be gone
}

// recovered is deferred around a handler.
func (a *Server) recovered(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	a.api.Panicked(cause, []byte(r.URL.Path))
	a.reject(w, r, &reject.Problem{
		Status: http.StatusInternalServerError, Reason: reject.Panic,
		Detail: "The server failed to answer because of a fault of its own, which is in its log.",
	})
}
