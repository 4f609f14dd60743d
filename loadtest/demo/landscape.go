package demo

import (
	"math"
	"math/rand/v2"
)

// talk is what one app, the caller, asks of another in a VPC. Apps are places in a list.
type talk struct {
	caller, callee, vpc int
	rhythm              rhythm
	// bytes is what the caller sends in an hour at full activity; the callee sends replies times that.
	bytes, replies float64
	// often is in what part of the hours there is traffic at full activity.
	often float64
	// lossy says that many of the bytes sent do not arrive.
	lossy bool
	// blind says which end has no agent that reports it.
	blind blindness
}

// blindness is which end of a talk does not report.
type blindness uint8

const (
	blindNone blindness = iota
	blindCaller
	blindCallee
)

// has tells whether one end of k is the app of this name.
func (k *talk) has(apps []string, name string) bool {
	return apps[k.caller] == name || apps[k.callee] == name
}

// kind is what talks of a kind have in common.
type kind struct {
	rhythm  rhythm
	bytes   float64 // median, in a VPC of size 1
	replies float64
}

var (
	page   = kind{people, 200e6, 8}    // asks for pages and pictures
	call   = kind{people, 30e6, 2.5}   // one service asks another
	lookup = kind{people, 40e6, 4}     // asks a database or a cache
	event  = kind{people, 50e6, 0.02}  // sends, and gets little more than a receipt
	watch  = kind{machine, 1.5e6, 0.1} // logs, traces, metrics
	check  = kind{machine, 0.3e6, 1.5} // asks for settings, names, keys
	job    = kind{nightly, 250e6, 0.3} // moves much in few hours
)

// landscape is built once: who there is, and who talks to whom.
type landscape struct {
	random *rand.Rand
	apps   []string
	number map[string]int
	talks  []talk
	seen   map[[2]int]bool
}

func newLandscape(seed uint64) *landscape {
	l := &landscape{
		random: rand.New(rand.NewPCG(seed, math.MaxUint64)), // hours have the other numbers
		number: make(map[string]int),
		seen:   make(map[[2]int]bool),
	}
	l.name()
	l.edge()
	for _, domain := range domains {
		l.service(domain)
	}
	l.platform()
	l.nightJobs()
	l.observed()
	return l
}

// name lists the apps.
func (l *landscape) name() {
	add := func(name string) {
		l.number[name] = len(l.apps)
		l.apps = append(l.apps, name)
	}
	for _, domain := range domains {
		for _, role := range roles {
			add(domain + role)
		}
	}
	for _, names := range [][]string{edges, platforms, jobs} {
		for _, name := range names {
			add(name)
		}
	}
}

// find returns the place of an app.
func (l *landscape) find(name string) int {
	i, ok := l.number[name]
	if !ok {
		panic("demo: no app is called " + name)
	}
	return i
}

// talk lets the caller ask each of the callees, in every VPC, with chances of its own in each. Who
// talks to whom already, and an app to itself, is left as it is.
func (l *landscape) talk(k kind, caller string, callees ...string) {
	from := l.find(caller)
	for _, callee := range callees {
		to := l.find(callee)
		if from == to || l.seen[[2]int{from, to}] {
			continue
		}
		l.seen[[2]int{from, to}] = true
		bytes, replies := k.bytes*spread(l.random, 1.3), k.replies*spread(l.random, 0.4)
		for vpc := range vpcs {
			t := talk{
				caller: from, callee: to, vpc: vpc, rhythm: k.rhythm, replies: replies,
				bytes: bytes * vpcs[vpc].size * spread(l.random, 0.3),
				often: 0.6 + 0.5*l.random.Float64(), // most talks are there whenever it is not night
				lossy: l.random.Float64() < 0.03,
			}
			switch chance := l.random.Float64(); {
			case chance < 0.01:
				t.blind = blindCaller
			case chance < 0.02:
				t.blind = blindCallee
			}
			l.talks = append(l.talks, t)
		}
	}
}

// some returns n of the domains, with a role.
func (l *landscape) some(n int, role string) []string {
	var names []string
	for _, i := range l.random.Perm(len(domains))[:n] {
		names = append(names, domains[i]+role)
	}
	return names
}

// edge is what the world talks to.
func (l *landscape) edge() {
	l.talk(page, "cdn-edge", "web-frontend", "image-proxy", "status-page", NewApp)
	l.talk(page, "image-proxy", "object-store", "media-api")
	l.talk(page, "web-frontend", "api-gateway", "graphql-gateway", "sessions-api")
	l.talk(page, "mobile-gateway", "api-gateway", "graphql-gateway", "ws-gateway")
	l.talk(call, "ws-gateway", "notifications-api", "messaging-api")
	for _, gateway := range []string{"api-gateway", "graphql-gateway"} {
		l.talk(check, gateway, "rate-limiter", "auth")
		l.talk(call, gateway, l.some(len(domains), "-api")...)
	}
	l.talk(call, NewApp, "api-gateway", "search-api", "sessions-cache")
	l.talk(check, NewApp, "rate-limiter", "kafka")
	for _, portal := range []string{"partner-gateway", "admin-console", "seller-portal", "support-desk"} {
		l.talk(check, portal, "sso", "dns-resolver")
		l.talk(call, portal, l.some(8, "-api")...)
	}
}

// service is the apps of a domain, and those that they need.
func (l *landscape) service(domain string) {
	api, worker := domain+"-api", domain+"-worker"
	l.talk(lookup, api, domain+"-db", domain+"-cache")
	l.talk(event, api, "kafka")
	l.talk(call, api, l.some(4+l.random.IntN(4), "-api")...)
	l.talk(check, api, "auth", "service-registry", "feature-flags")
	l.talk(lookup, worker, domain+"-db", domain+"-cache")
	l.talk(event, worker, "kafka")
	l.talk(call, worker, l.some(1+l.random.IntN(3), "-api")...)
	l.talk(check, worker, "config-server", "job-scheduler")
}

// platform is what all others need, beside what they ask for themselves.
func (l *landscape) platform() {
	l.talk(call, "search-api", "elasticsearch", "model-server")
	l.talk(call, "recommendations-api", "model-server", "feature-store")
	l.talk(call, "fraud-api", "model-server", "rabbitmq")
	l.talk(call, "ads-api", "model-server", "redis-sessions")
	l.talk(call, "sessions-api", "redis-sessions")
	l.talk(event, "notifications-worker", "email-sender", "sms-sender", "rabbitmq")
	l.talk(event, "media-worker", "object-store")
	l.talk(check, "auth", "sso", "secrets-vault", "redis-sessions")
	l.talk(check, "kafka", "schema-registry")
	l.talk(check, "certificate-issuer", "secrets-vault", "dns-resolver")
	l.talk(watch, "prometheus", "alertmanager")
	l.talk(watch, "grafana", "prometheus", "loki", "tracing")
	l.talk(watch, "otel-collector", "tracing", "prometheus")
	l.talk(watch, "log-shipper", "loki")
}

// nightJobs move data.
func (l *landscape) nightJobs() {
	for _, name := range []string{"orders", "payments", "inventory"} {
		l.talk(job, "etl-"+name, name+"-db", "data-lake")
	}
	l.talk(job, "etl-clicks", "kafka", "data-lake")
	l.talk(check, "airflow", "etl-orders", "etl-payments", "etl-inventory", "etl-clicks", "warehouse-loader", "spark-driver")
	l.talk(job, "spark-driver", "spark-executor")
	l.talk(job, "spark-executor", "data-lake", "object-store")
	l.talk(job, "warehouse-loader", "data-lake", "warehouse-db")
	l.talk(job, "model-trainer", "feature-store", "data-lake")
	l.talk(job, "report-builder", "warehouse-db", "email-sender")
	l.talk(job, "ledger-export", "billing-db", "invoices-db", "object-store")
	l.talk(job, "catalog-importer", "catalog-api", "object-store")
	l.talk(job, "search-indexer", "catalog-db", "elasticsearch")
	l.talk(job, "backup-agent", l.some(len(domains), "-db")...)
	l.talk(job, "backup-agent", "backup-store")
}

// observed sends the traces of every app, the logs of every other, and asks services for metrics.
func (l *landscape) observed() {
	for i, app := range l.apps {
		l.talk(watch, app, "otel-collector")
		if i%2 == 0 {
			l.talk(watch, app, "log-shipper")
		}
	}
	for _, domain := range domains {
		l.talk(watch, "prometheus", domain+"-api", domain+"-worker")
	}
}

var (
	domains = []string{
		"checkout", "cart", "payments", "billing", "catalog", "search", "pricing", "inventory", "orders",
		"shipping", "returns", "users", "profile", "loyalty", "reviews", "recommendations", "notifications",
		"fraud", "ads", "media", "geo", "support", "subscriptions", "wallet", "invoices", "promotions",
		"wishlist", "addresses", "tax", "gift-cards", "sellers", "warehouse", "messaging", "sessions",
		"feeds", "experiments",
	}
	roles = []string{"-api", "-worker", "-db", "-cache"}
	edges = []string{
		"cdn-edge", "web-frontend", "mobile-gateway", "api-gateway", "graphql-gateway", "partner-gateway",
		"ws-gateway", "image-proxy", "admin-console", "seller-portal", "support-desk", "status-page",
		"dns-resolver", NewApp,
	}
	platforms = []string{
		"auth", "sso", "feature-flags", "config-server", "service-registry", "rate-limiter", "secrets-vault",
		"kafka", "schema-registry", "rabbitmq", "redis-sessions", "object-store", "elasticsearch",
		"otel-collector", "prometheus", "log-shipper", "loki", "alertmanager", "grafana", "tracing",
		"certificate-issuer", "job-scheduler", "email-sender", "sms-sender",
	}
	jobs = []string{
		"etl-orders", "etl-clicks", "etl-inventory", "etl-payments", "warehouse-loader", "data-lake",
		"spark-driver", "spark-executor", "airflow", "feature-store", "model-trainer", "model-server",
		"report-builder", "ledger-export", "backup-agent", "backup-store", "search-indexer", "catalog-importer",
	}
)
