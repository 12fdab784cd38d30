package analytics

import (
	"encoding/json"
	"net/http"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Param names the query parameter concerned.
	Param string `json:"param,omitempty"`
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

func badParam(name, detail string) *Problem {
	return &Problem{Title: "Bad parameter", Status: http.StatusBadRequest, Param: name, Detail: name + ": " + detail}
}

// tooMany says that the service is busy with as much of it as it does at a time.
func tooMany(what string) *Problem {
	return &Problem{Title: "Too many", Status: http.StatusTooManyRequests, Detail: "as many " + what + " as there may be at a time: try again later"}
}

func writeProblem(w http.ResponseWriter, p Problem) {
	if p.Type == "" {
		p.Type = "about:blank"
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // The caller went away.
}
