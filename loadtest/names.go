package loadtest

import (
	"fmt"
	"math"
	"strconv"
)

// nameTable names tuples by number. A tuple is two apps in a VPC, so a million tuples need
// only some hundred names, and the table stays in the cache of the processor that the server
// would like to have for itself.
//
// Tuple n is in VPC n mod vpcs; within the VPC its number is n / vpcs, which counts pairs of
// apps. The destination is shifted by the source, so that tuples next to each other, which
// under Zipf are the busy ones, differ in all three names.
type nameTable struct {
	tuples int
	apps   []appName
	vpcs   []vpcName
	app    map[string]int
	vpc    map[string]int
}

// appName is the name of an app, and the pieces of a flow in JSON that hold it.
type appName struct{ name, asSrc, asDest string }

// vpcName is the name of a VPC, and the piece of a flow in JSON from it to the byte count.
type vpcName struct{ name, json string }

// tuplesPerVPC is how many tuples a VPC has, up to maxVPCs of them.
const (
	tuplesPerVPC = 1000
	maxVPCs      = 256
	destShift    = 7
)

func newNameTable(tuples int) nameTable {
	vpcs := min(max(tuples/tuplesPerVPC, 1), maxVPCs)
	pairs := (tuples + vpcs - 1) / vpcs
	apps := int(math.Ceil(math.Sqrt(float64(pairs))))
	t := nameTable{tuples: tuples, app: make(map[string]int, apps), vpc: make(map[string]int, vpcs)}
	for i := range apps {
		name := services[i%len(services)] + "-" + strconv.Itoa(i/len(services)+1)
		t.app[name] = i
		t.apps = append(t.apps, appName{
			name:   name,
			asSrc:  `{"src_app":"` + name + `","dest_app":"`,
			asDest: name + `","vpc_id":"`,
		})
	}
	for i := range vpcs {
		name := vpcID(i)
		t.vpc[name] = i
		t.vpcs = append(t.vpcs, vpcName{name: name, json: name + `","bytes_tx":`})
	}
	return t
}

// vpcID names a VPC as AWS does: most by the 8 digits of its first years, each fourth by 17.
func vpcID(i int) string {
	r := random(i)
	if id := r.next(); i%4 != 3 {
		return fmt.Sprintf("vpc-%02x%06x", i, id>>40)
	}
	return fmt.Sprintf("vpc-%02x%015x", i, r.next()>>4)
}

// of returns the numbers of the two apps and the VPC of a tuple.
func (t *nameTable) of(tuple int) (src, dest, vpc int) {
	pair := tuple / len(t.vpcs)
	vpc = tuple - pair*len(t.vpcs)
	row := pair / len(t.apps)
	src = pair - row*len(t.apps)
	return src, (row + destShift*src) % len(t.apps), vpc
}

// find returns the number of the tuple with these names, which is not ok for a tuple that is
// no part of the workload.
func (t *nameTable) find(srcApp, destApp, vpcID string) (tuple int, ok bool) {
	src, okSrc := t.app[srcApp]
	dest, okDest := t.app[destApp]
	vpc, okVPC := t.vpc[vpcID]
	if !okSrc || !okDest || !okVPC {
		return 0, false
	}
	apps := len(t.apps)
	row := ((dest-destShift*src)%apps + apps) % apps
	tuple = (row*apps+src)*len(t.vpcs) + vpc
	return tuple, tuple < t.tuples
}

// services are the first parts of the names of apps.
var services = [...]string{
	"checkout", "payments", "cart", "web", "auth", "inventory", "api-gateway", "search",
	"recommendations", "billing", "email", "orders", "fraud-detection", "cdn", "users",
	"shipping", "pricing", "catalog-indexer", "sso", "reports", "notifications", "ledger",
	"media-transcoder", "ads", "session-store", "etl", "kafka-connect", "metrics", "geo",
	"invoice-renderer", "wallet", "support-desk", "redis", "postgres-primary", "dns", "vault",
	"feature-flags", "loyalty", "subscription-renewals", "audit",
}
