package admin

import (
	"net/http"

	"flowd/httpapi/format"
	"flowd/httpapi/reject"

	"github.com/goccy/go-json"
)

// AcceptedClock is what came of an operator's taking the machine's clock to be right. Times are as in
// RFC 3339.
type AcceptedClock struct {
	// Before and After are the time that expiry goes by.
	Before string `json:"before"`
	After  string `json:"after"`
	// Clock is what the machine's clock says.
	Clock string `json:"clock"`
	// HoursExpired is how many hours went by it.
	HoursExpired int64 `json:"hours_expired"`
}

// acceptClock has expiry go by the machine's clock, and answers what came of it.
func (a *Server) acceptClock(w http.ResponseWriter, r *http.Request) {
	if p := a.api.Unready(); p != nil {
		a.reject(w, r, p)
		return
	}
	accepted, err := a.accept()
	if err != nil {
		a.reject(w, r, reject.Engine(err, "The time that expiry goes by is that of before: the checkpoint that keeps it failed, see the log."))
		return
	}
	text, err := json.Marshal(accepted)
	if err != nil {
		panic("strings encode as JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", format.JSONType)
	_, _ = w.Write(text) // the client may be gone
}
